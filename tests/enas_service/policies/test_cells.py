import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from enas_service.policies.cells import Form

MICRO = {"num_cells": 2, "num_inputs": 2, "num_edges": 2, "has_own_steps": True}
RECURRENT = {"num_cells": 1, "num_inputs": 1, "num_edges": 1, "has_own_steps": False}
SIZES = [
    pytest.param(MICRO | {"num_nodes": 1, "num_operations": 2}, id="256 micro cells"),
    pytest.param(RECURRENT | {"num_nodes": 3, "num_operations": 3}, id="162 recurrent cells"),
]


def policy(size, **changes):
    settings = {"hidden_size": 6, "temperature": None, "tanh_const": None} | size | changes
    made = Form(**settings).policy(seed=1)
    # The initial policy is nearly uniform; larger weights make a mistake visible.
    for weight in made.weights:
        weight.assign(weight.value * 10)
    return made


def everything(form):
    of_cell = [
        (form.num_inputs + node, form.num_operations) * form.num_edges for node in range(form.num_nodes)
    ] * form.num_cells
    return np.array(list(itertools.product(*(range(count) for node in of_cell for count in node))), dtype=np.int32)


@pytest.mark.parametrize("size", SIZES)
def test_the_probabilities_of_all_cells_sum_to_one(size):
    made = policy(size)
    probability_b = tf.exp(made.likelihood(everything(made.form)).log_probability_b)
    assert len(probability_b) in (256, 162)
    assert tf.reduce_sum(probability_b).numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_cells_are_drawn_as_often_as_their_probability_says(size):
    made = policy(size, temperature=2.0, tanh_const=2.5)
    all_bd, draws = everything(made.form), 10_000
    expected = np.exp(made.likelihood(all_bd).log_probability_b.numpy())
    counts = Counter(map(tuple, made.sample(draws, seed=(3, 4)).tolist()))
    observed = np.array([counts[tuple(one)] for one in all_bd.tolist()]) / draws
    assert sum(counts[tuple(one)] for one in all_bd.tolist()) == draws
    # Five standard deviations of a binomial share, for all shares at once.
    assert np.all(np.abs(observed - expected) < 5 * np.sqrt(expected * (1 - expected) / draws) + 3e-4)
    assert expected.max() > 3 * expected.min(), "a uniform policy would prove nothing"


@pytest.mark.parametrize("size", SIZES)
def test_the_same_seed_draws_the_same_and_each_node_anew(size):
    made = policy(size | {"num_nodes": 4})
    first, again, other = (made.sample(4, seed=seed).tolist() for seed in ((1, 2), (1, 2), (1, 3)))
    assert first == again
    assert first != other
    assert made.form.num_decisions == len(first[0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class ByHand:
    """The controller in NumPy, a step at a time, as the docstring of the module says it."""

    def __init__(self, made):
        names = (
            "kernel",
            "recurrent",
            "bias",
            "begin",
            "places",
            "operations",
            "choice",
            "anchor",
            "query",
            "attention",
        )
        for name, weight in zip(names, made.weights, strict=True):
            setattr(self, name, weight.numpy().astype(np.float64))
        self.form = made.form
        self.hidden = self.carry = np.zeros(made.form.hidden_size)
        self.log_probability = self.entropy = 0.0

    def step(self, read):
        gate_in, gate_forget, update, gate_out = np.split(
            read @ self.kernel + self.hidden @ self.recurrent + self.bias, 4
        )
        self.carry = sigmoid(gate_forget) * self.carry + sigmoid(gate_in) * np.tanh(update)
        self.hidden = sigmoid(gate_out) * np.tanh(self.carry)
        return self.hidden

    def take(self, logits, option):
        logs = logits - np.log(np.exp(logits).sum())
        self.log_probability += logs[option]
        self.entropy -= (np.exp(logs) * logs).sum()

    def cell(self, decisions):
        form, nothing = self.form, np.zeros(self.form.hidden_size)
        anchors = [self.step(self.begin) if form.has_own_steps else nothing for _ in range(form.num_inputs)]
        sources, read = list(self.places[: form.num_inputs]), self.begin
        for node, edges in enumerate(decisions.reshape(form.num_nodes, form.num_edges, 2)):
            first = None
            for source, _ in edges:
                state = self.step(read)
                first = state if first is None else first
                scores = [self.attention @ np.tanh(one @ self.anchor + state @ self.query) for one in anchors]
                self.take(np.array(scores), source)
                read = sources[source]
            for _, operation in edges:
                self.take(self.step(read) @ self.choice, operation)
                read = self.operations[operation]
            if form.has_own_steps:
                first, read = self.step(read), self.begin
            anchors.append(first)
            sources.append(self.places[form.num_inputs + node] + self.operations[edges[:, 1]].mean(axis=0))


@pytest.mark.parametrize("size", SIZES)
def test_each_decision_is_weighed_after_reading_the_one_before(size):
    """Also from cell to cell: the second begins with the state at the end of the first, and with new anchors."""
    made = policy(size | {"num_nodes": 3, "num_operations": 3})
    for decisions in made.sample(3, seed=(5, 6)):
        by_hand = ByHand(made)
        for of_cell in decisions.reshape(made.form.num_cells, -1):
            by_hand.cell(of_cell)
        likelihood = made.likelihood(decisions[np.newaxis])
        assert likelihood.log_probability_b.numpy()[0] == pytest.approx(by_hand.log_probability, rel=1e-5)
        assert likelihood.entropy_b.numpy()[0] == pytest.approx(by_hand.entropy, rel=1e-5)
        assert likelihood.skip_divergence_b.numpy().tolist() == likelihood.skip_rate_b.numpy().tolist() == [0]


@pytest.mark.parametrize("size", [*SIZES, MICRO | {"num_nodes": 2, "num_operations": 3}])
def test_every_weight_has_a_gradient_which_is_that_of_differences(size):
    made = policy(size, tanh_const=1.5)
    some_bd = made.sample(5, seed=(1, 1))
    values = [weight.value for weight in made.weights]
    with tf.GradientTape() as tape, made.holding(values):
        tape.watch(values)
        likelihood = made.likelihood(some_bd)
        total = tf.reduce_sum(likelihood.log_probability_b) + tf.reduce_sum(likelihood.entropy_b)
    gradients = [tf.convert_to_tensor(one).numpy() for one in tape.gradient(total, values)]
    assert all(np.any(one != 0) for one in gradients)
    random = np.random.default_rng(0)
    directions = [random.standard_normal(value.shape).astype(np.float32) for value in values]

    def moved(step):
        with made.holding([value + step * direction for value, direction in zip(values, directions, strict=True)]):
            likelihood = made.likelihood(some_bd)
        return float(tf.reduce_sum(likelihood.log_probability_b) + tf.reduce_sum(likelihood.entropy_b))

    slope = sum(float(np.sum(one * direction)) for one, direction in zip(gradients, directions, strict=True))
    assert slope == pytest.approx((moved(1e-3) - moved(-1e-3)) / 2e-3, rel=2e-2, abs=2e-2)


def test_steps_and_outputs_are_counted_as_they_are_taken():
    micro = policy(MICRO | {"num_nodes": 5, "num_operations": 5}).form
    recurrent = policy(RECURRENT | {"num_nodes": 8, "num_operations": 4}).form
    assert (micro.num_lstm_steps, recurrent.num_lstm_steps) == (2 * (2 + 5 * 5), 2 * 8)
    assert (micro.num_outputs, recurrent.num_outputs) == (2 * 5 * 2 * 5, 8 * 4)


def test_temperature_and_tanh_bound_every_probability():
    made = policy(MICRO | {"num_nodes": 1, "num_operations": 2}, temperature=1e-6, tanh_const=1.5)
    probability = np.exp(made.likelihood(everything(made.form)).log_probability_b.numpy())
    most = np.exp(1.5) / (np.exp(1.5) + np.exp(-1.5))
    assert probability.max() <= most**8 + 1e-6
    assert probability.min() >= (1 - most) ** 8 - 1e-9
