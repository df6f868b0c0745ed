"""What networks cost: a Gaussian process of the logarithm of one cost, over the same features as the objective's.

Costs are nearly sums over layers, and products where a stride or a width changes what later layers see; the process
learns how much of each (`process`). So some twenty trials tell most of it, where an accuracy takes hundreds.

Shape suffixes: n trial, b candidate, v column, d decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from enas_service.decisions import Decisions
from enas_service.model.bounds import NUM_STEPS, num_looked_at
from enas_service.model.features import Floats
from enas_service.model.normal import log_distribution
from enas_service.model.process import Posterior, Weights, fit, usual
from enas_service.model.region import Region, judged
from enas_service.scores import best_and_latest

_LARGEST_LOG = 300.0
"""Of an expected cost."""

_LEAST_SHARE = 1e-6
"""Of the largest cost: less is taken for as much, since nothing has no logarithm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostTrials:
    """Trials whose cost is known.

    Args:
        decisions_nd: (N, D).
        cost_n: (N) from 0.
        most: the largest that is allowed; None without a bound.
    """

    decisions_nd: Decisions
    cost_n: Floats
    most: float | None

    @property
    def log_n(self) -> Floats:
        """(N) logarithms."""
        return self.logarithm(self.cost_n)

    def logarithm(self, cost: Floats | float) -> Floats:
        """Of any cost."""
        largest = max(float(self.cost_n.max()), self.most or 0.0) or 1.0
        return np.asarray(np.log(np.maximum(cost, _LEAST_SHARE * largest)))


@dataclass(frozen=True, slots=True)
class Cost:
    """What is expected of one cost.

    Args:
        region: the space.
        posterior: of standardised logarithms.
        trials: whose cost is known.
        mean: of the logarithms of the trials.
        deviation: the same.
        limit: the largest that is allowed, standardised; infinite without a bound.
    """

    region: Region
    posterior: Posterior
    trials: CostTrials
    mean: float
    deviation: float
    limit: float

    @classmethod
    def of(cls, region: Region, weights: Weights, trials: CostTrials) -> "Cost":
        """Condition on trials."""
        index_n, standard_n, mean, deviation = _looked_at(region, trials)
        columns_nv = region.columns(trials.decisions_nd[index_n])
        limit = np.inf if trials.most is None else (float(trials.logarithm(trials.most)) - mean) / deviation
        posterior = Posterior(region.features, weights, columns_nv, standard_n)
        return cls(region, posterior, trials, mean, deviation, limit)

    def log_probability_within(self, decisions_bd: Decisions) -> Floats:
        """Logarithm of the probability (B) that a network is within the limit."""
        mean_b, deviation_b = self.predict(decisions_bd)
        return log_distribution((self.limit - mean_b) / deviation_b)

    def predict(self, decisions_bd: Decisions) -> tuple[Floats, Floats]:
        """Mean (B) and standard deviation (B) of the standardised logarithm, as it would be measured."""
        mean_b, doubt_b = judged(self.posterior, self.region, decisions_bd)
        noise = self.posterior.weights.noise
        return mean_b, np.sqrt(self.posterior.amplitude * (doubt_b**2 + noise))

    def expected(self, decisions_bd: Decisions) -> Floats:
        """The cost (B) that is as likely to be exceeded as not."""
        mean_b, _ = self.predict(decisions_bd)
        # What is expected of networks unlike all others may be beyond any number.
        return np.asarray(np.exp(np.minimum(self.mean + self.deviation * mean_b, _LARGEST_LOG)))

    def believing(self, decisions_d: Decisions) -> "Cost":
        """The same as if one more trial had cost what is expected."""
        return replace(self, posterior=self.posterior.believing(self.region.columns(decisions_d[np.newaxis])[0]))


def learned(region: Region, trials: CostTrials) -> Weights:
    """What matters to a cost."""
    index_n, standard_n, _, _ = _looked_at(region, trials)
    columns_nv = region.columns(trials.decisions_nd[index_n])
    return fit(region.features, columns_nv, standard_n, usual(region.features), NUM_STEPS)


def _looked_at(region: Region, trials: CostTrials) -> tuple[Sequence[int] | np.ndarray, Floats, float, float]:
    """Indices of the trials that are looked at, their standardised logarithms, and by what they are standardised.

    Where there are too many, the latest and those nearest to the limit, or the cheapest.
    """
    log_n = trials.log_n
    most = num_looked_at(region.features.num_columns, len(log_n))
    index_n = np.arange(len(log_n))
    if most < len(log_n):
        near_n = log_n if trials.most is None else np.abs(log_n - trials.logarithm(trials.most))
        index_n = best_and_latest(-near_n, most // 2)
    log_n = log_n[index_n]
    mean, deviation = float(log_n.mean()), float(log_n.std()) or 1.0
    return index_n, (log_n - mean) / deviation, mean, deviation
