"""Ways to search, all behind one call: given every finished trial, propose the next ones."""

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from benchmarks.enas.tasks import Rows, Task
from enas_service.decisions import Decisions
from enas_service.policies.joins import Controller
from enas_service.search import Search
from enas_service.suggester import EnasSuggester
from katib_suggestion import assignment
from katib_suggestion.experiment import (
    Direction,
    Experiment,
    Objective,
    Operation,
    Parameter,
    ParameterType,
    Trial,
    TrialCondition,
)

Finished = list[tuple[Rows, float | None]]
"""Trials in the order of their proposals: rows and accuracy; None where the trial failed."""


class Method(Protocol):
    """A search: told of every trial so far, it proposes ``count`` new ones."""

    def propose(self, finished: Finished, count: int) -> list[Rows]: ...


def random_rows(task: Task, random: np.random.Generator) -> Rows:
    """Draw an architecture uniformly."""
    return tuple(
        (int(random.integers(task.num_operations)), *random.integers(2, size=layer).tolist())
        for layer in range(task.num_layers)
    )


class RandomSearch:
    """Uniform, with replacement."""

    def __init__(self, task: Task, seed: int) -> None:
        self._task = task
        self._random = np.random.default_rng(seed)

    def propose(self, finished: Finished, count: int) -> list[Rows]:
        return [random_rows(self._task, self._random) for _ in range(count)]


class RegularizedEvolution:
    """Aging evolution (Real et al., 1802.01548, algorithm 1): the oldest of the population dies, whatever its worth.

    Args:
        population: living architectures.
        sample: candidates of each tournament.
        unique: never propose an architecture twice.
        joins: whether mutations may change joins, and duplicates differ by them.
    """

    def __init__(
        self, task: Task, seed: int, *, population: int, sample: int, unique: bool = False, joins: bool = True
    ) -> None:
        self._task = task
        self._random = np.random.default_rng(seed)
        self._population: deque[tuple[Rows, float]] = deque(maxlen=population)
        self._sample = sample
        self._unique = unique
        self._joins = joins
        self._seen_trials = 0
        self._proposed: set[Rows] = set()

    def propose(self, finished: Finished, count: int) -> list[Rows]:
        self._population.extend((rows, value) for rows, value in finished[self._seen_trials :] if value is not None)
        self._seen_trials = len(finished)
        return [self._new() for _ in range(count)]

    def _new(self) -> Rows:
        for _ in range(1000):
            rows = self._child()
            key = rows if self._joins else tuple((row[0],) for row in rows)
            if not self._unique or key not in self._proposed:
                break
        self._proposed.add(key)
        return rows

    def _child(self) -> Rows:
        if len(self._population) < self._population.maxlen:
            return random_rows(self._task, self._random)
        candidates = self._random.choice(len(self._population), size=self._sample, replace=False)
        parent, _ = max((self._population[index] for index in candidates), key=lambda one: one[1])
        return self._mutate(parent)

    def _mutate(self, parent: Rows) -> Rows:
        rows = [list(row) for row in parent]
        if self._joins and self._random.random() < 0.5:
            layer = int(self._random.choice(np.repeat(np.arange(len(rows)), np.arange(len(rows)))))
            place = 1 + int(self._random.integers(layer))
            rows[layer][place] = 1 - rows[layer][place]
        else:
            layer = int(self._random.integers(len(rows)))
            others = [one for one in range(self._task.num_operations) if one != rows[layer][0]]
            rows[layer][0] = int(self._random.choice(others))
        return tuple(tuple(row) for row in rows)


class Ours:
    """The service's own suggester, through encoded assignments; it sees no task, only its trials' texts.

    Args:
        settings: algorithm settings of the experiment.
        minimize: report the negated accuracy, to be minimised.
        restart: lose everything but the trials before every round, as a new process without a volume would.
    """

    def __init__(
        self,
        task: Task,
        seed: int,
        *,
        settings: Sequence[tuple[str, str]] = (),
        minimize: bool = False,
        restart: bool = False,
    ) -> None:
        sizes = Parameter(name="size", type=ParameterType.INT, minimum="1", maximum=str(task.num_operations))
        self._experiment = Experiment(
            name="search",
            objective=Objective(metric="accuracy", direction=Direction.MINIMIZE if minimize else Direction.MAXIMIZE),
            settings=tuple(settings),
            num_layers=task.num_layers,
            input_sizes=(32, 32, 3),
            output_sizes=(10,),
            operations=(Operation(type="operation", parameters=(sizes,)),),
        )
        self._sign = -1 if minimize else 1
        self._seed = seed
        self._restart = restart
        self._suggester = EnasSuggester(seed)
        self._assignments: list[dict[str, str]] = []

    def propose(self, finished: Finished, count: int) -> list[Rows]:
        if self._restart and finished:
            self._start_afresh()
        trials = [
            Trial(
                name=f"trial-{index}",
                condition=TrialCondition.FAILED if value is None else TrialCondition.SUCCEEDED,
                assignments=self._assignments[index],
                metrics={} if value is None else {"accuracy": repr(self._sign * value)},
            )
            for index, (_, value) in enumerate(finished)
        ]
        suggestions = self._suggester.suggest(self._experiment, trials, count, len(trials) + count)
        self._assignments += suggestions
        return [_rows(suggestion["architecture"]) for suggestion in suggestions]

    def _start_afresh(self) -> None:
        """Bring the search to where a new process would begin; only what was traced stays, which takes a second."""
        search = self._suggester._held[self._experiment.name].search
        fresh = Search(self._experiment.name, search.problem, self._suggester._seed_of(self._experiment.name))
        for mine, others in (
            (search.policy.weights, fresh.policy.weights),
            (search.policy_gradient.variables, fresh.policy_gradient.variables),
        ):
            for variable, value in zip(mine, others, strict=True):
                variable.assign(value)
        search.memory, search.random, search._noted = fresh.memory, fresh.random, fresh._noted


def _rows(architecture: str) -> Rows:
    rows = assignment.decode(architecture)
    assert isinstance(rows, list)
    return tuple(tuple(row) for row in rows)


class KatibsController:
    """The controller with Katib's defaults and credit: each step draws afresh and is rewarded with all trials' mean."""

    def __init__(self, task: Task, seed: int) -> None:
        self._controller = Controller(
            num_layers=task.num_layers,
            num_operations=task.num_operations,
            hidden_size=64,
            temperature=5.0,
            tanh_const=2.25,
            skip_target=0.4,
            seed=seed,
        )
        self._random = np.random.default_rng(seed)
        self._optimizer = tf.keras.optimizers.Adam(5e-5)
        self._optimizer.build(self._controller.weights)
        self._step = tf.function(self._step_eagerly)
        self._baseline = 0.0

    def propose(self, finished: Finished, count: int) -> list[Rows]:
        values = [value / 100 for _, value in finished if value is not None]
        if values:
            # All steps' architectures at once: at this learning rate the policy hardly moves in between.
            for drawn_d in self._controller.sample(50, self._seed()):
                self._train(drawn_d, float(np.mean(values)))
        return [self._rows(drawn_d) for drawn_d in self._controller.sample(count, self._seed()).tolist()]

    def _rows(self, drawn_d: list[int]) -> Rows:
        num_layers = self._controller.form.num_layers
        bits = iter(drawn_d[num_layers:])
        return tuple((choice, *itertools.islice(bits, layer)) for layer, choice in enumerate(drawn_d[:num_layers]))

    def _train(self, drawn_d: Decisions, reward: float) -> None:
        self._baseline += (1 - 0.999) * (reward - self._baseline)
        self._step(tf.constant(drawn_d[np.newaxis]), tf.constant(reward - self._baseline, tf.float32))

    def _step_eagerly(self, decisions_bd: tf.Tensor, advantage: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            likelihood = self._controller.likelihood(decisions_bd)
            credited = (advantage + 1e-5 * likelihood.entropy_b) * likelihood.log_probability_b
            loss = tf.reduce_mean(0.8 * likelihood.skip_divergence_b - credited)
        weights = self._controller.weights
        self._optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    def _seed(self) -> tuple[int, int]:
        first, second = self._random.integers(2**31, size=2).tolist()
        return first, second
