import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from enas_service.policies.joins import Form, drawing
from enas_service.policies.policy_gradient import PolicyGradient
from enas_service.policies.traces import MAX_FORMS
from enas_service.settings import EnasSettings


def learner(num_layers=3, num_operations=3, **changes):
    settings = EnasSettings(**({"controller_learning_rate": 0.01, "controller_train_steps": 20} | changes))
    form = Form(
        num_layers=num_layers,
        num_operations=num_operations,
        hidden_size=16,
        temperature=settings.controller_temperature,
        tanh_const=settings.controller_tanh_const,
        skip_target=settings.controller_skip_target,
    )
    controller = form.policy(seed=2)
    return controller, PolicyGradient(controller, settings)


def log_probability(controller, decisions):
    return controller.likelihood(decisions).log_probability_b.numpy()


@pytest.mark.fault(1)
def test_the_credit_goes_to_the_architecture_that_earned_it():
    controller, policy_gradient = learner(controller_skip_weight=None, controller_entropy_weight=None)
    decisions = controller.sample(2, seed=(1, 1))
    before = log_probability(controller, decisions)
    policy_gradient.update(decisions, np.array([0.5, -0.5]), 3)
    after = log_probability(controller, decisions)
    # The clip ends the pull of a trial near a ratio of .8 or 1.2.
    assert after[0] > before[0] + 0.1
    assert after[1] < before[1] - 0.1


def test_advantages_of_zero_teach_nothing():
    controller, policy_gradient = learner(controller_skip_weight=None, controller_entropy_weight=None)
    decisions = controller.sample(3, seed=(1, 1))
    before = log_probability(controller, decisions)
    policy_gradient.update(decisions, np.zeros(3), 3)
    assert log_probability(controller, decisions) == pytest.approx(before)


@pytest.mark.parametrize("target", [0.1, 0.9])
def test_the_skip_penalty_draws_joins_towards_the_target(target):
    controller, policy_gradient = learner(
        num_layers=6, controller_skip_target=target, controller_skip_weight=10.0, controller_train_steps=100
    )
    decisions = controller.sample(3, seed=(1, 1))
    policy_gradient.update(decisions, np.array([0.0, 0.0, 0.0]), 3)
    assert controller.likelihood(decisions).skip_rate_b.numpy() == pytest.approx([target] * 3, abs=0.1)


def test_the_entropy_bonus_keeps_the_policy_open():
    entropies = []
    for weight in (None, 10.0):
        controller, policy_gradient = learner(controller_entropy_weight=weight, controller_skip_weight=None)
        decisions = controller.sample(2, seed=(1, 1))
        policy_gradient.update(decisions, np.array([0.5, -0.5]), 3)
        entropies.append(controller.likelihood(decisions).entropy_b.numpy().mean())
    assert entropies[0] < entropies[1]


@pytest.mark.fault(6)
def test_one_layer_trains_on_finite_numbers():
    controller, policy_gradient = learner(num_layers=1)
    decisions = controller.sample(3, seed=(1, 1))
    policy_gradient.update(decisions, np.array([0.1, 0.2, 0.3]), 3)
    assert all(np.isfinite(weight.numpy()).all() for weight in controller.weights)


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    "changes",
    [
        {"controller_learning_rate": 1.0},
        {"controller_skip_target": 1.0},
        {"controller_temperature": 1e-6, "controller_tanh_const": 1e6},
        {"controller_temperature": None, "controller_tanh_const": None},
        {"controller_entropy_weight": 1e6, "controller_skip_weight": 1e6},
        {"controller_baseline_decay": 1.0},
        {"controller_hidden_size": 1},
    ],
)
def test_settings_at_the_ends_of_their_ranges_train_on_finite_numbers(changes):
    controller, policy_gradient = learner(**changes)
    for round_ in range(3):
        policy_gradient.update(controller.sample(3, seed=(1, round_)), np.array([0.1, 0.2, 0.3]), 3)
    assert all(np.isfinite(weight.numpy()).all() for weight in controller.weights)


def test_after_many_trials_at_once_it_learns_more():
    moved = []
    for num_new in (3, 80):
        controller, policy_gradient = learner(controller_skip_weight=None, controller_train_steps=2)
        decisions = controller.sample(3, seed=(1, 1))
        before = log_probability(controller, decisions)
        policy_gradient.update(decisions, np.array([1.0, 0.0, -1.0]), num_new)
        moved.append(abs(log_probability(controller, decisions) - before).max())
    assert moved[1] > 2 * moved[0]


@pytest.mark.fault(12)
def test_rounds_of_any_size_are_traced_once():
    controller, policy_gradient = learner()
    for size in (1, 2, 3, 5, 8):
        policy_gradient.update(controller.sample(size, seed=(1, size)), np.full(size, 0.1), size)
    assert _traces(controller, policy_gradient) == (1, 1)


def _traces(controller, policy_gradient):
    functions = (drawing(controller.form), policy_gradient._step)
    return tuple(function.experimental_get_tracing_count() for function in functions)


def test_searches_of_one_form_share_what_is_traced_and_nothing_else():
    """What TensorFlow keeps of a trace it keeps for good: a service would grow with each experiment."""

    def searched(rate):
        controller, policy_gradient = learner(num_operations=5, controller_learning_rate=rate)
        decisions = controller.sample(3, seed=(1, 1))
        policy_gradient.update(decisions, np.array([0.5, 0.0, -0.5]), 3)
        return controller, policy_gradient, [weight.numpy() for weight in controller.weights]

    one, gradient, weights = searched(0.01)
    other, other_gradient, other_weights = searched(0.02)
    *_, again = searched(0.01)
    assert gradient._step is other_gradient._step
    assert drawing(one.form) is drawing(other.form)
    assert _traces(one, gradient) == (1, 1)
    for before, same, different, kept in zip(weights, again, other_weights, one.weights, strict=True):
        assert np.array_equal(before, same)
        assert np.array_equal(before, kept.numpy())
        assert not np.array_equal(before, different)


@pytest.mark.parametrize("name", ["operations", "choice", "anchor", "query", "attention"])
def test_a_search_draws_by_its_own_weights(name):
    """Not by those of another search of its form, with which it shares the traced function."""

    def drawn(controller):
        return controller.sample(200, seed=(1, 1)).tolist()

    one, _ = learner(num_operations=5)
    other, _ = learner(num_operations=5)
    before = drawn(one)
    (weight,) = [weight for weight in other.weights if weight.name == name]
    weight.assign(-50 * weight)
    assert drawing(one.form) is drawing(other.form)
    assert drawn(other) != before
    assert drawn(one) == before


def test_forms_that_are_not_asked_for_are_let_go():
    controller, policy_gradient = learner(num_layers=1)
    function = drawing(controller.form)
    for num_layers in range(2, 2 + MAX_FORMS):
        drawing(dataclasses.replace(controller.form, num_layers=num_layers))
    assert drawing(controller.form) is not function
    policy_gradient.update(controller.sample(2, seed=(1, 1)), np.array([0.5, -0.5]), 2)


def test_a_step_is_that_of_keras():
    controller, policy_gradient = learner(controller_skip_weight=None, controller_entropy_weight=None)
    theirs, _ = learner()
    optimizer = tf.keras.optimizers.Adam(0.01, global_clipnorm=5.0)
    decisions, advantages = controller.sample(2, seed=(1, 1)), np.array([0.5, -0.25])
    policy_gradient._settings = dataclasses.replace(policy_gradient._settings, controller_train_steps=1)
    for _ in range(3):
        policy_gradient.update(decisions, advantages, 2)
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(theirs.likelihood(decisions).log_probability_b * advantages)
        optimizer.apply_gradients(zip(tape.gradient(loss, theirs.weights), theirs.weights, strict=True))
    for ours, their in zip(controller.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), their.numpy(), rtol=0, atol=1e-6)
