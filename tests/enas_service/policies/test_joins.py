import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from enas_service.policies.joins import Form


def controller(num_layers=3, num_operations=2, **changes):
    settings = {"hidden_size": 8, "temperature": None, "tanh_const": None, "skip_target": 0.4, "seed": 1} | changes
    seed = settings.pop("seed")
    made = Form(num_layers=num_layers, num_operations=num_operations, **settings).policy(seed)
    # The initial policy is nearly uniform; larger weights make a mistake visible.
    for weight in made.weights:
        weight.assign(weight.value * 10)
    return made


def every_architecture(num_layers, num_operations):
    options = [range(num_operations)] * num_layers + [range(2)] * (num_layers * (num_layers - 1) // 2)
    return np.array(list(itertools.product(*options)), dtype=np.int32)


def keys(decisions_nd):
    return list(map(tuple, decisions_nd.tolist()))


def test_the_probabilities_of_all_architectures_sum_to_one():
    likelihood = controller().likelihood(every_architecture(3, 2))
    assert tf.reduce_sum(tf.exp(likelihood.log_probability_b)).numpy() == pytest.approx(1, abs=1e-5)


def test_architectures_are_drawn_as_often_as_their_probability_says():
    policy = controller(temperature=2.0, tanh_const=2.5)
    architectures = every_architecture(3, 2)
    expected = np.exp(policy.likelihood(architectures).log_probability_b.numpy())
    draws = 20_000
    counts = Counter(keys(policy.sample(draws, seed=(3, 4))))
    observed = np.array([counts[one] for one in keys(architectures)]) / draws
    # Five standard deviations of a binomial share, for 64 shares at once.
    assert np.all(np.abs(observed - expected) < 5 * np.sqrt(expected * (1 - expected) / draws) + 1e-4)
    assert expected.max() > 3 * expected.min(), "a uniform policy would prove nothing"


def test_the_same_seed_draws_the_same():
    policy = controller(num_layers=5, num_operations=7)
    first, again, other = (policy.sample(4, seed=seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert keys(first) == keys(again)
    assert keys(first) != keys(other)


@pytest.mark.fault(2)
def test_a_join_is_decided_by_the_anchor_of_its_own_source():
    """Walk the LSTM by hand: anchor 0 is the state after the image, anchor k the one after layer k's operation."""
    policy = controller(num_layers=4, num_operations=3)
    (decisions,) = policy.sample(1, seed=(5, 6))
    bits = iter(decisions[4:])
    cell_kernel, cell_recurrent, cell_bias, image_1h, operations_mh, choice_hm, anchor_hh, query_hh, attention_h = (
        weight.numpy().astype(np.float64) for weight in policy.weights
    )

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    hidden, carry = np.zeros(8), np.zeros(8)

    def read(x):
        nonlocal hidden, carry
        gate_in, gate_forget, update, gate_out = np.split(x @ cell_kernel + hidden @ cell_recurrent + cell_bias, 4)
        carry = sigmoid(gate_forget) * carry + sigmoid(gate_in) * np.tanh(update)
        hidden = sigmoid(gate_out) * np.tanh(carry)
        return hidden

    embedded = [image_1h[0]]
    feed, anchors, log_probability = image_1h[0], [], 0.0
    for layer, choice in enumerate(decisions[:4]):
        state = read(feed)
        if layer == 0:
            anchors.append(state)
        logits = state @ choice_hm
        log_probability += logits[choice] - np.log(np.exp(logits).sum())
        embedded.append(operations_mh[choice])
        anchor = read(operations_mh[choice])
        joined = []
        for source in range(layer):
            score = attention_h @ np.tanh(anchors[source] @ anchor_hh + anchor @ query_hh)
            joins = next(bits)
            log_probability += np.log(sigmoid(2 * score if joins else -2 * score))
            if joins:
                joined.append(embedded[source])
        anchors.append(anchor)
        feed = np.mean([operations_mh[choice], *joined], axis=0)

    likelihood = policy.likelihood(decisions[np.newaxis])
    assert likelihood.log_probability_b.numpy()[0] == pytest.approx(log_probability, rel=1e-5)


def test_entropy_divergence_and_skip_rate_of_a_policy_that_is_uniform():
    policy = controller(num_layers=3, num_operations=4, skip_target=0.25)
    for weight in policy.weights:
        weight.assign(weight.value * 0)
    likelihood = policy.likelihood(policy.sample(2, seed=(0, 0)))
    divergence = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert likelihood.entropy_b.numpy() == pytest.approx([3 * np.log(4) + 3 * np.log(2)] * 2)
    assert likelihood.skip_divergence_b.numpy() == pytest.approx([divergence * 3 / 3] * 2)
    assert likelihood.skip_rate_b.numpy() == pytest.approx([0.5] * 2)


@pytest.mark.fault(6)
def test_one_layer_has_no_join_and_no_penalty():
    policy = controller(num_layers=1, num_operations=3)
    likelihood = policy.likelihood(policy.sample(2, seed=(0, 1)))
    assert likelihood.skip_divergence_b.numpy().tolist() == [0, 0]
    assert likelihood.skip_rate_b.numpy().tolist() == [0, 0]
    assert np.isfinite(likelihood.log_probability_b.numpy()).all()


@pytest.mark.fault(11)
@pytest.mark.parametrize("skip_target", [1.0, 1e-30])
def test_a_skip_target_at_the_end_of_its_range_is_finite(skip_target):
    policy = controller(skip_target=skip_target)
    assert np.isfinite(policy.likelihood(policy.sample(2, seed=(0, 1))).skip_divergence_b.numpy()).all()


def test_temperature_and_tanh_bound_every_probability():
    policy = controller(num_layers=1, num_operations=3, temperature=1e-6, tanh_const=1.5)
    probability = np.exp(policy.likelihood(every_architecture(1, 3)).log_probability_b.numpy())
    assert probability.max() <= np.exp(1.5) / (np.exp(1.5) + 2 * np.exp(-1.5)) + 1e-6
    assert probability.min() >= np.exp(-1.5) / (2 * np.exp(1.5) + np.exp(-1.5)) - 1e-6
