"""Ways to search under a budget, or for a front, all behind one call: given every trial, propose the next ones."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from benchmarks.enas.families import Choices, Family
from benchmarks.enas.methods import drawn
from enas_service.goal import Goal
from enas_service.lessons import Lesson, Matters, insight, what_takes_long
from enas_service.model.model import MIN_TRIALS
from enas_service.model.proposals import propose, untaken
from enas_service.model.region import Region
from katib_suggestion.experiment import Direction, Objective
from katib_suggestion.parsing.budget import Bound, Budget


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial: what was chosen, what it came to, what it costs as a share of the budget or of the largest cost.

    Beyond a budget nothing is trained, and the accuracy is 0.
    """

    choices: Choices
    accuracy: float
    cost: float

    @property
    def is_within(self) -> bool:
        """Whether it was trained."""
        return self.cost <= 1


class Method(Protocol):
    """A search: told of every trial so far, it proposes ``count`` new ones."""

    def propose(self, finished: list[Outcome], count: int) -> list[Choices]: ...


class RandomSearch:
    """Uniform, with replacement."""

    def __init__(self, family: Family, seed: int) -> None:
        self._family, self._random = family, np.random.default_rng(seed)

    def propose(self, finished: list[Outcome], count: int) -> list[Choices]:
        return [drawn(self._family, self._random) for _ in range(count)]


class DeathPenalty:
    """Aging evolution (population 20, sample 10, any decision mutated); beyond the budget a network is worth 0."""

    def __init__(self, family: Family, seed: int) -> None:
        self._family, self._random = family, np.random.default_rng(seed)
        self._population: deque[Outcome] = deque(maxlen=20)
        self._free = [decision for decision, count in enumerate(family.counts) if count > 1]
        self._seen = 0

    def propose(self, finished: list[Outcome], count: int) -> list[Choices]:
        self._population.extend(finished[self._seen :])
        self._seen = len(finished)
        return [self._child() for _ in range(count)]

    def _child(self) -> Choices:
        if len(self._population) < 20:
            return drawn(self._family, self._random)
        rivals = self._random.choice(20, size=10, replace=False)
        child = max((self._population[index] for index in rivals), key=lambda one: one.accuracy).choices.copy()
        decision = self._free[self._random.integers(len(self._free))]
        others = [option for option in range(self._family.counts[decision]) if option != child[decision]]
        child[decision] = self._random.choice(others)
        return child


class Optuna:
    """A sampler of Optuna with the budget as a constraint (the extra ``bench``)."""

    def __init__(self, family: Family, seed: int, *, nsga: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def beyond(trial: Any) -> list[float]:
            return [trial.user_attrs["cost"] - 1]

        if nsga:
            sampler: Any = optuna.samplers.NSGAIISampler(population_size=20, constraints_func=beyond, seed=seed)
        else:
            sampler = optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, constraints_func=beyond, seed=seed
            )
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._family, self._asked, self._seen = family, [], 0

    def propose(self, finished: list[Outcome], count: int) -> list[Choices]:
        for trial, outcome in zip(self._asked[self._seen :], finished[self._seen :], strict=True):
            trial.set_user_attr("cost", outcome.cost)
            self._study.tell(trial, outcome.accuracy)
        self._seen = len(finished)
        new = [self._study.ask() for _ in range(count)]
        self._asked += new
        sizes = list(enumerate(self._family.counts))
        return [
            np.array([one.suggest_categorical(f"d{place}", list(range(size))) for place, size in sizes]) for one in new
        ]


class Nsga:
    """NSGA-II of pymoo for accuracy and cost, a generation of 20 at a time (the extra ``bench``)."""

    def __init__(self, family: Family, seed: int) -> None:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM
        from pymoo.operators.repair.rounding import RoundingRepair
        from pymoo.operators.sampling.rnd import IntegerRandomSampling

        counts = np.array(family.counts)
        self._problem = Problem(n_var=len(counts), n_obj=2, xl=0, xu=counts - 1, vtype=int)
        self._algorithm = NSGA2(
            pop_size=20,
            sampling=IntegerRandomSampling(),
            crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
            mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
            eliminate_duplicates=True,
        )
        self._algorithm.setup(self._problem, termination=("n_gen", 10_000), seed=seed, verbose=False)
        self._generation: Any = None
        self._open: deque[Choices] = deque()
        self._told = 0

    def propose(self, finished: list[Outcome], count: int) -> list[Choices]:
        proposals = []
        for _ in range(count):
            if not self._open:
                if self._generation is not None:
                    if len(finished) < self._told + len(self._generation):
                        # Of this round some are still running: a generation waits, as pymoo's does.
                        break
                    self._tell(finished)
                self._generation = self._algorithm.ask()
                self._open.extend(self._generation.get("X").astype(np.int64))
            proposals.append(self._open.popleft())
        return proposals

    def _tell(self, finished: list[Outcome]) -> None:
        from pymoo.core.evaluator import Evaluator
        from pymoo.problems.static import StaticProblem

        outcomes = finished[self._told : self._told + len(self._generation)]
        figures = np.array([[-one.accuracy, one.cost] for one in outcomes])
        Evaluator().eval(StaticProblem(self._problem, F=figures), self._generation)
        self._algorithm.tell(infills=self._generation)
        self._told += len(self._generation)


class ModelAlone:
    """The service's models without a controller; the parts of `enas_service.search` that know no policy."""

    def __init__(self, family: Family, seed: int, *, front: bool) -> None:
        budget = None if front else Budget((Bound("MACs", 1.0),))
        objective = Objective(metric="accuracy", direction=Direction.MAXIMIZE)
        self._goal = Goal(objective=objective, budget=budget, front="MACs" if front else None)
        self._space, self._random = family.space, np.random.default_rng(seed)
        self._region, self._taken = Region.of(self._space), set[bytes]()
        self._matters = Matters()

    def propose(self, finished: list[Outcome], count: int) -> list[Choices]:
        lessons = [
            Lesson(str(number), one.choices.astype(np.int32), one.accuracy, {"MACs": one.cost})
            for number, one in enumerate(finished)
        ]
        aim = None
        if len(lessons) >= MIN_TRIALS:
            aim = insight(self._region, self._goal, lessons, self._matters).aim
            self._matters = what_takes_long(self._region, self._goal, lessons)
        if aim is None:
            return [self._new() for _ in range(count)]
        return propose(
            aim,
            self._region,
            start_bd=self._region.draw(64, self._random),
            taken=self._taken,
            count=count,
            random=self._random,
        )

    def _new(self) -> Choices:
        key = untaken(self._region.draw(1, self._random), self._space, self._taken, self._random)
        self._taken.add(key)
        return self._space.of_key(key)


Maker = Callable[[Family, int], Method]
