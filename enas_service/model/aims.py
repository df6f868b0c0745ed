"""What a candidate is good for: for the best there is, for the best within a budget, for a front.

Expected improvement (Jones, Schonlau & Welch 1998, equation 15); within a budget times the probability to be within
(Gardner et al. 2014, equation 7); for a front the expected growth of its hypervolume, the cost taken for known
(Emmerich 2005 with one objective that is certain).

Shape suffixes: b candidate, n trial, d decision, p point of the front.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast

import numpy as np

from enas_service.decisions import Decisions
from enas_service.model.costs import Cost
from enas_service.model.features import Floats
from enas_service.model.normal import density, distribution
from enas_service.model.process import Posterior, Weights
from enas_service.model.region import Region, judged

_MIN_DOUBT = 0.2
"""A trial is worth its time if the model is less sure of it than this share of what it was before any trial."""

_OF_NO_DOUBT = 1e-6
"""What is left of the gain where there is less doubt: still in order, for spaces that are used up."""

_SURE_GAIN = 0.05
"""What is in no doubt is worth a trial all the same if it is better by this, in deviations before any trial.

A model that has understood a space knows the best network before that was tried. Not within a budget or for a front,
where it did as much harm as good: costs are known too surely."""

_MAX_WAITING = 50
"""Most trials without a result that are looked at, the latest."""

_LIKELY = 0.8
"""Where a candidate is within the budget with less probability, next to nothing is left of its gain, too."""


class Aim(Protocol):
    """See the module; a value, which changes with each trial that is believed in."""

    @property
    def weights(self) -> Sequence[Weights]:
        """What matters to it."""

    def gain(self, decisions_bd: Decisions) -> Floats:
        """How good each candidate (B) is; only the order counts."""

    def elites(self, count: int) -> Decisions:
        """At most so many of the best trials, whose neighbours are candidates."""

    def believing(self, decisions_d: Decisions) -> "Aim":
        """The same as if one more trial had come out as expected."""


@dataclass(frozen=True, slots=True)
class Improvement:
    """The best there is.

    Args:
        region: the space.
        posterior: given the trials.
        trial_nd: (N, D) the trials, in its order.
    """

    region: Region
    posterior: Posterior
    trial_nd: Decisions

    @property
    def weights(self) -> Sequence[Weights]:
        """See `Aim`, as for all that follows."""
        return (self.posterior.weights,)

    def gain(self, decisions_bd: Decisions) -> Floats:
        best_1 = np.array([self.posterior.score_n.max()])
        gain_b: Floats = self.gain_over(best_1, decisions_bd, sure_gain=_SURE_GAIN)[0]
        return gain_b

    def gain_over(self, best_p: Floats, decisions_bd: Decisions, sure_gain: float = np.inf) -> Floats:
        """What candidates are expected to add to each of some scores (P, B); next to nothing where hardly in doubt.

        Args:
            best_p: the scores.
            decisions_bd: the candidates.
            sure_gain: see `_SURE_GAIN`; by default there has to be doubt.
        """
        mean_b, doubt_b = judged(self.posterior, self.region, decisions_bd)
        prior_deviation = np.sqrt(self.posterior.amplitude)
        deviation_b, better_pb = doubt_b * prior_deviation, mean_b - best_p[:, np.newaxis]
        z_pb = better_pb / deviation_b
        gain_pb = deviation_b * (z_pb * distribution(z_pb) + density(z_pb))
        is_known_pb = (doubt_b < _MIN_DOUBT) & (better_pb < sure_gain * prior_deviation)
        return np.asarray(np.where(is_known_pb, _OF_NO_DOUBT * gain_pb, gain_pb))

    def elites(self, count: int) -> Decisions:
        return self.trial_nd[np.argsort(-self.posterior.score_n, kind="stable")[:count]]

    def believing(self, decisions_d: Decisions) -> "Improvement":
        posterior = self.posterior.believing(self.region.columns(decisions_d[np.newaxis])[0])
        return replace(self, posterior=posterior, trial_nd=np.concatenate([self.trial_nd, decisions_d[np.newaxis]]))


@dataclass(frozen=True, kw_only=True, slots=True)
class WithinBudget:
    """The best within a budget; as long as nothing is known to be within, or too little of the objective, what is.

    Args:
        objective: None where too little is known.
        bounded: the costs that have a limit.
        best: the highest score within the budget; None where there is none.
        trial_nd: (N, D) trials, the best first.
    """

    objective: Improvement | None
    bounded: Sequence[Cost]
    best: float | None
    trial_nd: Decisions

    @property
    def weights(self) -> Sequence[Weights]:
        """See `Aim`, as for all that follows."""
        objective = () if self.objective is None else self.objective.weights
        return (*objective, *(cost.posterior.weights for cost in self.bounded))

    def gain(self, decisions_bd: Decisions) -> Floats:
        log_probability_b = _log_within(self.bounded, decisions_bd)
        if self.objective is None or self.best is None:
            # Whatever is likely enough to be within is as good as any other.
            return np.minimum(log_probability_b, np.log(_LIKELY))
        gain_b = self.objective.gain_over(np.array([self.best]), decisions_bd)[0]
        return _times_probability(gain_b, log_probability_b)

    def elites(self, count: int) -> Decisions:
        return self.trial_nd[:count]

    def believing(self, decisions_d: Decisions) -> "WithinBudget":
        objective = None if self.objective is None else self.objective.believing(decisions_d)
        bounded = [cost.believing(decisions_d) for cost in self.bounded]
        return replace(self, objective=objective, bounded=bounded)


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontGrowth:
    """The front of the objective and a cost, within a budget if there is one.

    Args:
        objective: of the trials whose objective is known.
        cost: of the front.
        bounded: the costs that have a limit.
        score_n: (N) of trials within the budget, and of those believed in.
        cost_n: (N) the same.
        largest: cost to which the hypervolume reaches.
        front_nd: (N, D) the front, from cheap to dear.
    """

    objective: Improvement
    cost: Cost
    bounded: Sequence[Cost]
    score_n: Floats
    cost_n: Floats
    largest: float
    front_nd: Decisions

    @property
    def weights(self) -> Sequence[Weights]:
        """See `Aim`, as for all that follows."""
        return (*self.objective.weights, *(cost.posterior.weights for cost in (self.cost, *self.bounded)))

    def gain(self, decisions_bd: Decisions) -> Floats:
        cost_b = self.cost.expected(decisions_bd)
        best_p, from_p, to_p = self._steps()
        width_pb = np.maximum(0.0, to_p[:, np.newaxis] - np.maximum(from_p[:, np.newaxis], cost_b))
        gain_b = (width_pb * self.objective.gain_over(best_p, decisions_bd)).sum(axis=0)
        return _times_probability(gain_b, _log_within(self.bounded, decisions_bd))

    def elites(self, count: int) -> Decisions:
        places = np.unique(np.linspace(0, len(self.front_nd) - 1, count).round().astype(int))
        return np.asarray(self.front_nd[places])

    def believing(self, decisions_d: Decisions) -> "FrontGrowth":
        objective, cost = self.objective.believing(decisions_d), self.cost.believing(decisions_d)
        return replace(
            self,
            objective=objective,
            cost=cost,
            bounded=[one.believing(decisions_d) for one in self.bounded],
            score_n=np.append(self.score_n, objective.posterior.score_n[-1]),
            cost_n=np.append(self.cost_n, self.cost.expected(decisions_d[np.newaxis])),
        )

    def _steps(self) -> tuple[Floats, Floats, Floats]:
        """The front as steps (P): best score, from which cost, to which; the first has the worst score of all.

        The hypervolume reaches from no cost to the largest, and from the worst score to any.
        """
        order_n = np.lexsort((-self.score_n, self.cost_n))
        cost_n, best_n = self.cost_n[order_n], np.maximum.accumulate(self.score_n[order_n])
        is_step_n = np.append(True, best_n[1:] > best_n[:-1])
        cost_p, best_p = cost_n[is_step_n], best_n[is_step_n]
        least_score = float(self.objective.posterior.score_n.min())
        return np.append(least_score, best_p), np.append(0.0, cost_p), np.append(cost_p, max(self.largest, cost_p[-1]))


AnyAim = TypeVar("AnyAim", bound=Aim)


def believing(aim: AnyAim, waiting_nd: Decisions) -> AnyAim:
    """Take it that the latest trials without a result (N, D) came out as expected."""
    for decisions_d in waiting_nd[-_MAX_WAITING:]:
        aim = cast(AnyAim, aim.believing(decisions_d))
    return aim


def _log_within(bounded: Sequence[Cost], decisions_bd: Decisions) -> Floats:
    total_b = np.zeros(len(decisions_bd))
    for cost in bounded:
        total_b = total_b + cost.log_probability_within(decisions_bd)
    return total_b


def _times_probability(gain_b: Floats, log_probability_b: Floats) -> Floats:
    probable_b = gain_b * np.exp(log_probability_b)
    return np.where(log_probability_b < np.log(_LIKELY), _OF_NO_DOUBT * probable_b, probable_b)
