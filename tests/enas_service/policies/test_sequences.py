import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from enas_service.policies.sequences import Form

COUNTS, KINDS = (3, 2, 3, 1), (0, 1, 0, 3)


def policy(counts=COUNTS, kinds=KINDS, **changes):
    settings = {"hidden_size": 6, "temperature": None, "tanh_const": None, "seed": 1} | changes
    seed = settings.pop("seed")
    made = Form(counts=counts, kinds=kinds, **settings).policy(seed)
    # The initial policy is nearly uniform; larger weights make a mistake visible.
    for weight in made.weights:
        weight.assign(weight.value * 10)
    return made


def everything(counts=COUNTS):
    return np.array(list(itertools.product(*map(range, counts))), dtype=np.int32)


def test_the_probabilities_of_all_decisions_sum_to_one():
    likelihood = policy().likelihood(everything())
    assert tf.reduce_sum(tf.exp(likelihood.log_probability_b)).numpy() == pytest.approx(1, abs=1e-5)


def test_decisions_are_drawn_as_often_as_their_probability_says():
    made, all_bd = policy(temperature=2.0, tanh_const=2.5), everything()
    expected = np.exp(made.likelihood(all_bd).log_probability_b.numpy())
    draws = 20_000
    counts = Counter(map(tuple, made.sample(draws, seed=(3, 4)).tolist()))
    observed = np.array([counts[tuple(one)] for one in all_bd.tolist()]) / draws
    # Five standard deviations of a binomial share, for 18 shares at once.
    assert sum(counts.values()) == draws
    assert np.all(np.abs(observed - expected) < 5 * np.sqrt(expected * (1 - expected) / draws) + 1e-4)
    assert expected.max() > 3 * expected.min(), "a uniform policy would prove nothing"


def test_the_same_seed_draws_the_same():
    made = policy(counts=(7,) * 5, kinds=(0,) * 5)
    first, again, other = (made.sample(4, seed=seed).tolist() for seed in ((1, 2), (1, 2), (1, 3)))
    assert first == again
    assert first != other


def test_each_decision_is_weighed_after_reading_the_one_before():
    """Walk the LSTM by hand; decisions 0 and 2 are of one kind, and share embeddings and outputs."""
    made = policy()
    (decisions,) = made.sample(1, seed=(5, 6))
    kernel, recurrent, bias, begin_1h, embedding_oh, output_oh = (
        weight.numpy().astype(np.float64) for weight in made.weights
    )
    assert len(embedding_oh) == len(output_oh) == 3 + 2 + 1
    options = {0: slice(0, 3), 1: slice(3, 5), 3: slice(5, 6)}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    hidden, carry, read, log_probability, entropy = np.zeros(6), np.zeros(6), begin_1h[0], 0.0, 0.0
    for decision, kind in zip(decisions, KINDS, strict=True):
        gate_in, gate_forget, update, gate_out = np.split(read @ kernel + hidden @ recurrent + bias, 4)
        carry = sigmoid(gate_forget) * carry + sigmoid(gate_in) * np.tanh(update)
        hidden = sigmoid(gate_out) * np.tanh(carry)
        logits = output_oh[options[kind]] @ hidden
        log_m = logits - np.log(np.exp(logits).sum())
        log_probability += log_m[decision]
        entropy -= (np.exp(log_m) * log_m).sum()
        read = embedding_oh[options[kind]][decision]
    likelihood = made.likelihood(decisions[np.newaxis])
    assert likelihood.log_probability_b.numpy()[0] == pytest.approx(log_probability, rel=1e-5)
    assert likelihood.entropy_b.numpy()[0] == pytest.approx(entropy, rel=1e-5)
    assert likelihood.skip_divergence_b.numpy().tolist() == likelihood.skip_rate_b.numpy().tolist() == [0]


@pytest.mark.parametrize(("counts", "kinds"), [(COUNTS, KINDS), ((4,), (0,)), ((1,), (0,))])
def test_every_weight_has_a_gradient_which_is_that_of_differences(counts, kinds):
    made, all_bd = policy(counts=counts, kinds=kinds, tanh_const=1.5), everything(counts)[:5]
    values = [weight.value for weight in made.weights]
    with tf.GradientTape() as tape, made.holding(values):
        tape.watch(values)
        likelihood = made.likelihood(all_bd)
        total = tf.reduce_sum(likelihood.log_probability_b) + tf.reduce_sum(likelihood.entropy_b)
    gradients = [tf.convert_to_tensor(one).numpy() for one in tape.gradient(total, values)]
    random = np.random.default_rng(0)
    directions = [random.standard_normal(value.shape).astype(np.float32) for value in values]

    def moved(step):
        with made.holding([value + step * direction for value, direction in zip(values, directions, strict=True)]):
            likelihood = made.likelihood(all_bd)
        return float(tf.reduce_sum(likelihood.log_probability_b) + tf.reduce_sum(likelihood.entropy_b))

    slope = sum(float(np.sum(one * direction)) for one, direction in zip(gradients, directions, strict=True))
    assert slope == pytest.approx((moved(1e-2) - moved(-1e-2)) / 2e-2, rel=2e-2, abs=2e-3)


def test_temperature_and_tanh_bound_every_probability():
    made = policy(counts=(3,), kinds=(0,), temperature=1e-6, tanh_const=1.5)
    probability = np.exp(made.likelihood(everything((3,))).log_probability_b.numpy())
    assert probability.max() <= np.exp(1.5) / (np.exp(1.5) + 2 * np.exp(-1.5)) + 1e-6
    assert probability.min() >= np.exp(-1.5) / (2 * np.exp(1.5) + np.exp(-1.5)) - 1e-6
