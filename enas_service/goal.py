"""What a search is after: the best there is, the best within a budget, or the front of the objective and a cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from enas_service.settings import EnasSettings
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment, Objective, Trial
from katib_suggestion.parsing.budget import WORST_ACCURACY, WORST_LOSS, Budget

Floats = NDArray[np.float64]
Costs = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)  # without slots, for what is computed once
class Goal:
    """What an experiment is after."""

    objective: Objective
    budget: Budget | None = None
    """None where a network may cost anything."""
    front: str | None = None
    """The cost of the front; None where one network is searched for."""

    @classmethod
    def of(cls, experiment: Experiment, settings: EnasSettings) -> "Goal":
        """Read an experiment's goal.

        Raises:
            InvalidExperiment: there is no objective, or a cost is none of the additional metrics.
        """
        if experiment.objective is None:
            allowed = "an objective names a metric and a type, minimize or maximize"
            raise InvalidExperiment("objective", "incomplete", allowed)
        faults = Faults()
        known = experiment.additional_metrics
        named = [("budget", metric) for metric in (settings.budget.metrics if settings.budget else ())]
        named += [("front", settings.front)] if settings.front else []
        for setting, metric in named:
            with faults.noted():
                if metric not in known:
                    among = ", ".join(known) or "of which there are none"
                    allowed = f"a cost must be one of additionalMetricNames, {among}"
                    raise InvalidExperiment(f"algorithmSettings.{setting}", metric, allowed)
        faults.raise_noted()
        return cls(objective=experiment.objective, budget=settings.budget, front=settings.front)

    @cached_property
    def costs(self) -> tuple[str, ...]:
        """Names of the costs that count."""
        front = (self.front,) if self.front else ()
        return tuple(dict.fromkeys((*(self.budget.metrics if self.budget else ()), *front)))

    def costs_of(self, trial: Trial) -> dict[str, float]:
        """Those costs that a trial has reported as numbers from 0."""
        found = {name: trial.number(name) for name in self.costs}
        return {name: value for name, value in found.items() if value is not None and value >= 0}

    def is_within(self, costs: Costs) -> bool:
        """Whether all that counts is known, and within the budget."""
        return all(name in costs for name in self.costs) and (self.budget is None or self.budget.is_met(costs))

    def excess(self, costs: Costs) -> float:
        """How far beyond the budget, by what is known."""
        return 0.0 if self.budget is None else self.budget.excess(costs)

    def is_untrained(self, reward: float, costs: Costs) -> bool:
        """Whether a trial ended with its costs, which are beyond: what it reports is no accuracy."""
        value = self.objective.sign * reward
        return self.excess(costs) > 0 and (value == WORST_ACCURACY or value >= WORST_LOSS)

    def merits(self, rewards: Sequence[float], costs: Sequence[Costs]) -> Floats:
        """How good each of some trials (N) is, larger is better; only the order counts.

        Those within the budget by their reward, or in a search for a front by how many others are better in both
        (Fonseca & Fleming 1993); behind them those beyond, by how far they are (Deb 2000).
        """
        reward_n = np.asarray(rewards, dtype=np.float64)
        if not self.costs:
            return reward_n
        merit_n = -self._num_better(reward_n, costs) if self.front else reward_n
        excess_n = np.array([self.excess(one) for one in costs])
        least = merit_n.min(initial=0.0)
        return np.where(excess_n > 0, least - 1 - excess_n, merit_n)

    def _num_better(self, reward_n: Floats, costs: Sequence[Costs]) -> Floats:
        """How many trials are as good in both, and better in one; a trial without the cost is as dear as can be."""
        assert self.front is not None
        cost_n = np.array([one.get(self.front, np.inf) for one in costs])
        is_within_n = np.array([self.is_within(one) for one in costs])
        as_good_nn = (reward_n[:, np.newaxis] <= reward_n) & (cost_n[:, np.newaxis] >= cost_n)
        better_nn = (reward_n[:, np.newaxis] < reward_n) | (cost_n[:, np.newaxis] > cost_n)
        return np.asarray((as_good_nn & better_nn & is_within_n).sum(axis=1), dtype=np.float64)
