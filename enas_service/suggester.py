"""ENAS as a suggestion: learn from the trials that finished, then propose new ones."""

import hashlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enas_service.controller import Controller
from enas_service.policy_gradient import PolicyGradient
from enas_service.search_space import Decisions, MalformedArchitecture, SearchSpace
from enas_service.settings import EnasSettings
from katib_suggestion import settings
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Experiment, Objective, Trial

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """What an experiment asks to be solved, checked."""

    space: SearchSpace
    settings: EnasSettings
    objective: Objective

    @classmethod
    def of(cls, experiment: Experiment) -> "Problem":
        """Read an experiment.

        Raises:
            InvalidExperiment: it cannot run.
        """
        if experiment.objective is None:
            allowed = "an objective names a metric and a type, minimize or maximize"
            raise InvalidExperiment("objective", "incomplete", allowed)
        return cls(
            space=SearchSpace.of(experiment),
            settings=settings.parse(EnasSettings, experiment.settings),
            objective=experiment.objective,
        )


class Search:
    """One experiment's controller and what it has learned from; callers hold `lock`."""

    def __init__(self, name: str, problem: Problem, seed: int) -> None:
        self.lock = threading.Lock()
        self._name = name
        self._problem = problem
        self._random = np.random.default_rng(seed)
        self._credited: set[str] = set()
        self._warned: set[str] = set()
        values = problem.settings
        self._controller = Controller(
            num_layers=problem.space.num_layers,
            num_operations=len(problem.space.operations),
            hidden_size=values.controller_hidden_size,
            temperature=values.controller_temperature,
            tanh_const=values.controller_tanh_const,
            skip_target=values.controller_skip_target,
            seed=int(self._random.integers(2**31)),
        )
        self._policy_gradient = PolicyGradient(self._controller, values)

    def learn(self, trials: Sequence[Trial]) -> None:
        """Credit every finished trial that has not been credited yet."""
        # The request promises no order; a fixed one makes the same trials teach the same.
        new = sorted(
            (trial for trial in trials if trial.is_finished and trial.name not in self._credited),
            key=lambda trial: trial.name,
        )
        credited = [(trial, *credit) for trial in new if (credit := self._credit(trial)) is not None]
        if not credited:
            return
        names, decisions, rewards = zip(*credited, strict=True)
        logger.info("%s: learning from %s", self._name, ", ".join(trial.name for trial in names))
        self._policy_gradient.update(decisions, rewards)
        self._credited.update(trial.name for trial in names)

    def propose(self, count: int) -> list[dict[str, str]]:
        """Draw new architectures from the policy as it is."""
        first, second = self._random.integers(-(2**31), 2**31, size=2).tolist()
        space = self._problem.space
        return [
            {"architecture": space.architecture(decisions), "nn_config": space.nn_config(decisions)}
            for decisions in self._controller.sample(count, (first, second))
        ]

    def _credit(self, trial: Trial) -> tuple[Decisions, float] | None:
        """A trial's own architecture and its reward; None, with one warning, where either cannot be read."""
        reward = trial.reward(self._problem.objective)
        if reward is None:
            metric = self._problem.objective.metric
            self._warn(trial, f"its {metric} is {trial.metrics.get(metric)!r:.100}, not a finite number")
            return None
        try:
            return self._problem.space.decisions(trial.assignments.get("architecture", "")), reward
        except MalformedArchitecture as error:
            self._warn(trial, str(error))
            return None

    def _warn(self, trial: Trial, reason: str) -> None:
        if trial.name not in self._warned:
            self._warned.add(trial.name)
            logger.warning("%s: trial %s teaches nothing: %s", self._name, trial.name, reason)


class EnasSuggester:
    """Proposes architectures for any number of experiments, each with a controller of its own.

    Args:
        seed: makes every experiment's search reproducible; None draws a fresh seed for each.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._searches: dict[tuple[str, Problem], Search] = {}
        self._lock = threading.Lock()

    def validate(self, experiment: Experiment) -> None:
        """Check everything that `suggest` reads.

        Raises:
            InvalidExperiment: the experiment cannot run.
        """
        Problem.of(experiment)

    def suggest(self, experiment: Experiment, trials: Sequence[Trial], count: int) -> list[dict[str, str]]:
        """Learn from the trials that finished since the last call, and propose ``count`` architectures.

        Raises:
            InvalidExperiment: as `validate`.
        """
        search = self._search(experiment.name, Problem.of(experiment))
        with search.lock:
            search.learn(trials)
            return search.propose(count)

    def _search(self, name: str, problem: Problem) -> Search:
        with self._lock:
            key = (name, problem)
            if key not in self._searches:
                self._searches[key] = Search(name, problem, self._seed_of(name))
            return self._searches[key]

    def _seed_of(self, name: str) -> int:
        if self._seed is None:
            return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        # Experiments under one service's seed still differ from each other.
        return int.from_bytes(hashlib.sha256(f"{self._seed} {name}".encode()).digest()[:8], "big")
