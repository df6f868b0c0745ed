"""Ways to search, all behind one call: given every finished trial, propose the next ones."""

import logging
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.enas.families import Choices, Family
from enas_service.model.bounds import is_quick
from enas_service.model.model import MIN_TRIALS, Model, learned
from enas_service.model.process import Weights
from enas_service.model.proposals import untaken
from enas_service.model.region import Region
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Direction, Experiment, Objective, Trial, TrialCondition
from katib_suggestion.parsing import assignment

_SMAC_DESIGN = 37
"""Configurations of SMAC's initial design: a quarter of 150 trials, which is its default."""

Finished = list[tuple[Choices, float | None]]
"""Trials in the order of their proposals: choices and accuracy; None where the trial failed."""


class Method(Protocol):
    """A search: told of every trial so far, it proposes ``count`` new ones."""

    def propose(self, finished: Finished, count: int) -> list[Choices]: ...


def drawn(family: Family, random: np.random.Generator) -> Choices:
    """Draw uniformly."""
    return np.array([random.integers(count) for count in family.counts])


class RandomSearch:
    """Uniform, with replacement."""

    def __init__(self, family: Family, seed: int) -> None:
        self._family, self._random = family, np.random.default_rng(seed)

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        return [drawn(self._family, self._random) for _ in range(count)]


class RegularizedEvolution:
    """Aging evolution (Real et al., 1802.01548, algorithm 1): the oldest of the population dies, whatever its worth.

    In macro spaces half of the mutations change an operation; elsewhere any decision is changed as often as another.

    Args:
        population: living networks.
        sample: candidates of each tournament.
        told: whether mutations change only decisions that matter.
    """

    def __init__(
        self, family: Family, seed: int, *, population: int = 20, sample: int = 10, told: bool = False
    ) -> None:
        self._family, self._random = family, np.random.default_rng(seed)
        self._population: deque[tuple[Choices, float]] = deque(maxlen=population)
        self._size, self._sample, self._seen_trials = population, sample, 0
        free = [
            decision
            for decision, count in enumerate(family.counts)
            if count > 1 and (decision in family.matters or not told)
        ]
        num_apart = family.num_layers if family.is_macro else 0
        layers = [decision for decision in free if decision < num_apart]
        others = [decision for decision in free if decision >= num_apart]
        self._groups = [group for group in (layers, others) if group]

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        self._population.extend(
            (choices, value) for choices, value in finished[self._seen_trials :] if value is not None
        )
        self._seen_trials = len(finished)
        return [self._child() for _ in range(count)]

    def _child(self) -> Choices:
        if len(self._population) < self._size:
            return drawn(self._family, self._random)
        rivals = self._random.choice(len(self._population), size=self._sample, replace=False)
        parent, _ = max((self._population[index] for index in rivals), key=lambda one: one[1])
        group = self._groups[self._random.integers(len(self._groups))]
        child, decision = parent.copy(), group[self._random.integers(len(group))]
        child[decision] = self._random.choice(
            [option for option in range(self._family.counts[decision]) if option != parent[decision]]
        )
        return child


class LocalSearch:
    """Local search (White et al., 2005.02960, algorithm 1): all neighbours of the best, from one that is better again.

    Where none is better, it starts from a random network again.
    """

    def __init__(self, family: Family, seed: int) -> None:
        self._family, self._random = family, np.random.default_rng(seed)
        self._here: tuple[Choices, float] | None = None
        self._open: list[Choices] = []
        self._seen_trials = 0

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        for choices, value in finished[self._seen_trials :]:
            if value is not None and (self._here is None or value > self._here[1]):
                self._here, self._open = (choices, value), self._neighbours(choices)
        self._seen_trials = len(finished)
        return [self._next() for _ in range(count)]

    def _next(self) -> Choices:
        if not self._open:
            self._here = None
            return drawn(self._family, self._random)
        return self._open.pop()

    def _neighbours(self, choices: Choices) -> list[Choices]:
        found = []
        for decision, count in enumerate(self._family.counts):
            for option in range(count):
                if option != choices[decision]:
                    neighbour = choices.copy()
                    neighbour[decision] = option
                    found.append(neighbour)
        self._random.shuffle(found)
        return found


class Tpe:
    """Optuna's TPE, multivariate and grouped, as its users get it otherwise (the extra ``bench``)."""

    def __init__(self, family: Family, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, seed=seed, warn_independent_sampling=False
        )
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL
        self._family, self._asked, self._seen_trials = family, [], 0

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        for trial, (_, value) in zip(self._asked[self._seen_trials :], finished[self._seen_trials :], strict=True):
            if value is None:
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, value)
        self._seen_trials = len(finished)
        new = [self._study.ask() for _ in range(count)]
        self._asked += new
        return [
            np.array(
                [
                    one.suggest_categorical(f"d{decision}", list(range(size)))
                    for decision, size in enumerate(self._family.counts)
                ]
            )
            for one in new
        ]


class Smac:
    """SMAC3 with its random forest (Lindauer et al., 2109.09831), by its facade for categories (extra ``bench``)."""

    def __init__(self, family: Family, seed: int) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace
        from smac import HyperparameterOptimizationFacade, Scenario

        space = ConfigurationSpace(seed=seed)
        space.add([Categorical(f"d{place}", list(range(count))) for place, count in enumerate(family.counts)])
        # It writes its own record of a search, which nobody reads here.
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            space, deterministic=True, n_trials=10_000, seed=seed, output_directory=Path(self._folder.name)
        )
        # The initial design of its users: by default a quarter of the trials, ten for each decision at most.
        design = HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=_SMAC_DESIGN)
        self._smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, initial_design=design, overwrite=True, logging_level=logging.ERROR
        )
        self._asked: list[Any] = []
        self._family, self._seen_trials, self._worst = family, 0, -np.inf

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        from smac.runhistory import StatusType
        from smac.runhistory.dataclasses import TrialValue

        for trial, (_, value) in zip(self._asked[self._seen_trials :], finished[self._seen_trials :], strict=True):
            if value is None:  # its forest takes no infinite cost
                worst = self._worst if np.isfinite(self._worst) else 0.0
                self._smac.tell(trial, TrialValue(cost=worst, status=StatusType.CRASHED))
            else:
                self._worst = max(self._worst, -value)
                self._smac.tell(trial, TrialValue(cost=-value))
        self._seen_trials = len(finished)
        new = [self._smac.ask() for _ in range(count)]
        self._asked += new
        return [np.array([one.config[f"d{place}"] for place in range(len(self._family.counts))]) for one in new]


class ModelAlone:
    """The service's model without a controller; the parts of `enas_service.search` that know no policy."""

    def __init__(self, family: Family, seed: int) -> None:
        self._space, self._random = family.space, np.random.default_rng(seed)
        self._region = Region.of(self._space)
        self._taken: set[bytes] = set()
        self._prepared: Weights | None = None

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        known = [(choices, value) for choices, value in finished if value is not None]
        if len(known) < MIN_TRIALS:
            return [self._new() for _ in range(count)]
        decisions_nd, rewards = np.stack([choices for choices, _ in known]), [value for _, value in known]
        weights, quick = self._prepared, is_quick(self._region, len(known))
        if weights is None or quick:
            weights = learned(self._region, decisions_nd, rewards)
        waiting = [choices for choices, value in finished if value is None]
        proposals = Model.of(self._region, weights, decisions_nd, rewards).propose(
            np.array(waiting).reshape(len(waiting), decisions_nd.shape[1]).astype(np.int32),
            decisions_nd[:0],
            taken=self._taken,
            count=count,
            random=self._random,
        )
        self._prepared = None if quick else learned(self._region, decisions_nd, rewards)
        return proposals

    def _new(self) -> Choices:
        key = untaken(self._region.draw(1, self._random), self._space, self._taken, self._random)
        self._taken.add(key)
        return self._space.of_key(key)


class Ours:
    """The service's own suggester, through encoded assignments; it sees no task, only its trials' texts.

    Args:
        minimize: report the negated accuracy, to be minimised.
        restart: lose everything but the trials before every round, as a new process without a volume would.
    """

    def __init__(self, family: Family, seed: int, *, minimize: bool = False, restart: bool = False) -> None:
        self._experiment = Experiment(
            name="search",
            objective=Objective(metric="accuracy", direction=Direction.MINIMIZE if minimize else Direction.MAXIMIZE),
            settings=(("search_for", family.cells.search_for),) if family.cells else (),
            parameters=family.parameters,
            num_layers=family.num_layers,
            input_sizes=family.cells.input_sizes if family.cells else (32, 32, 3) if family.num_layers else (),
            output_sizes=family.cells.output_sizes if family.cells else (10,) if family.num_layers else (),
            operations=family.operations,
        )
        self._parameters, self._is_macro = family.parameters, family.is_macro
        self._sign, self._seed, self._restart = -1 if minimize else 1, seed, restart
        self._suggester = EnasSuggester(seed)
        self._assignments: list[dict[str, str]] = []

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        if self._restart:
            self._suggester.settle()
            self._suggester = EnasSuggester(self._seed)
        trials = [
            Trial(
                name=f"trial-{index:04}",
                condition=TrialCondition.FAILED if value is None else TrialCondition.SUCCEEDED,
                assignments=self._assignments[index],
                metrics={} if value is None else {"accuracy": repr(self._sign * value)},
            )
            for index, (_, value) in enumerate(finished)
        ]
        suggestions = self._suggester.suggest(self._experiment, trials, count, len(trials) + count)
        self._assignments += suggestions
        return [self.choices(suggestion) for suggestion in suggestions]

    def choices(self, assignments: Mapping[str, str]) -> Choices:
        """Read a suggestion."""
        if self._parameters:
            return np.array([one.values.index(assignments[one.name]) for one in self._parameters])
        rows = assignment.decode(assignments["architecture"])
        assert isinstance(rows, list)
        if not self._is_macro:
            return np.concatenate(rows)
        return np.array([row[0] for row in rows] + [bit for row in rows for bit in row[1:]])
