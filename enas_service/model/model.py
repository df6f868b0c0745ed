"""What finished trials taught: weights that say what matters, and what is expected of what was not tried."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enas_service.decisions import Decisions
from enas_service.model import normal
from enas_service.model.aims import Improvement, believing
from enas_service.model.bounds import NUM_STEPS, num_looked_at
from enas_service.model.features import Floats
from enas_service.model.process import Posterior, Weights, fit, usual
from enas_service.model.proposals import propose
from enas_service.model.region import Region
from enas_service.scores import best_and_latest

MIN_TRIALS = 6
"""With fewer finished trials there is nothing to learn from."""


def learned(region: Region, decisions_nd: Decisions, rewards: Sequence[float]) -> Weights:
    """What matters.

    Args:
        region: where the trials are.
        decisions_nd: (N, D) finished trials, in the order in which they finished.
        rewards: (N) what they were worth, larger is better.
    """
    index_n, score_n = _looked_at(region, rewards)
    columns_nv = region.columns(decisions_nd[index_n])
    return fit(region.features, columns_nv, score_n, usual(region.features), NUM_STEPS)


@dataclass(frozen=True, slots=True)
class Model:
    """What is expected of a space.

    Args:
        region: the space.
        posterior: given the trials that are looked at.
        trial_nd: those trials (N, D).
    """

    region: Region
    posterior: Posterior
    trial_nd: Decisions

    @classmethod
    def of(cls, region: Region, weights: Weights, decisions_nd: Decisions, rewards: Sequence[float]) -> "Model":
        """Condition on trials; the arguments are as in `learned`."""
        index_n, score_n = _looked_at(region, rewards)
        trial_nd = decisions_nd[index_n]
        return cls(region, Posterior(region.features, weights, region.columns(trial_nd), score_n), trial_nd)

    def propose(
        self,
        waiting_nd: Decisions,
        candidates_bd: Decisions,
        *,
        taken: set[bytes],
        count: int,
        random: np.random.Generator,
    ) -> list[Decisions]:
        """Choose new decisions; see `propose`.

        Args:
            waiting_nd: (N, D) trials that run or ended without a result: as if they had come out as expected.
            candidates_bd: (B, D) of the policy.
            taken: keys of what was proposed before; those of the result are added.
            count: how many.
            random: source of all draws.
        """
        aim = believing(self.improvement, waiting_nd)
        return propose(aim, self.region, start_bd=candidates_bd, taken=taken, count=count, random=random)

    @property
    def improvement(self) -> Improvement:
        """What there is to gain of the objective."""
        return Improvement(self.region, self.posterior, self.trial_nd)

    def objective(self, score_n: Floats, rewards: Sequence[float]) -> Floats:
        """Turn scores into rewards as high among those of the trials."""
        reward_n = np.sort(np.asarray(rewards, dtype=np.float64))
        return np.interp(score_n, normal.scores(reward_n), reward_n)


def _looked_at(region: Region, rewards: Sequence[float]) -> tuple[np.ndarray, Floats]:
    """Indices (N) of the trials that are looked at, in order, and their scores (N)."""
    score_n = normal.scores(np.asarray(rewards, dtype=np.float64))
    most = num_looked_at(region.features.num_columns, len(rewards))
    index_n = np.arange(len(rewards)) if most == len(rewards) else best_and_latest(score_n, most // 2)
    return index_n, score_n[index_n]
