"""What decisions are worth: Bayesian regression of scores on the decisions of finished trials, and on pairs of them.

Every operation of every layer, every join, and every pair of those has a weight with a normal prior (Bishop, Pattern
Recognition and Machine Learning, sections 3.3 and 6.2; all pairs at once through the kernel of its equation 6.10). A
policy needs hundreds of trials to find out what a single decision is worth; the regression needs about as many trials
as there are decisions that matter, and knows how sure it is of each.

Shape suffixes: n trial, b architecture, l layer, k source of a join, m operation, f feature, c draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enas_service.scores import Floats, best_and_latest
from enas_service.search_space import Decisions, stacked

MIN_TRIALS = 9
"""With fewer finished trials, an opinion on some fifty decisions is noise."""

MAX_TRIALS = 400
"""Most trials that are looked at, the best and the latest: the cost of a round has a bound."""

_NOISE = 0.1
"""Variance of a score around the model, where the prior variance of a single decision's weight is 1."""

_PAIRS = 0.1
"""Prior variance of what all pairs of an architecture add together, as a share of that of its single decisions."""

_JOIN = np.sqrt(0.5)
"""Half the distance between a join and its absence; that between two operations, too, is the square root of 2."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One opinion of what architectures are worth, in units of the scores.

    Args:
        single_f: weight of each single decision.
        pairs_n: weight of the pairs of each trial that the opinion is built on.
        trial_nf: decisions of those trials.
        num_layers: L.
        num_operations: m.
    """

    single_f: Floats
    pairs_n: Floats
    trial_nf: Floats
    num_layers: int
    num_operations: int

    def worth(self, choices_bl: NDArray[np.int32], joins_blk: NDArray[np.bool_]) -> Floats:
        """Worth of each architecture, (B)."""
        feature_bf = _features(choices_bl, joins_blk, self.num_operations)
        return np.asarray(feature_bf @ self.single_f + (feature_bf @ self.trial_nf.T) ** 2 @ self.pairs_n)

    def gains(self, choices_bl: NDArray[np.int32], joins_blk: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """What each change of a single decision of each architecture adds to its worth, to first order.

        Returns:
            (B, L, m) for each operation in place of that of each layer, 0 for the one there is; (B, L (L - 1) / 2) for
            the opposite of each join, rows in order.
        """
        feature_bf = _features(choices_bl, joins_blk, self.num_operations)
        slope_bf = self.single_f + 2 * ((feature_bf @ self.trial_nf.T) * self.pairs_n) @ self.trial_nf
        size = self.num_layers * self.num_operations
        choice_blm = slope_bf[:, :size].reshape(-1, self.num_layers, self.num_operations)
        chosen_bl1 = np.take_along_axis(choice_blm, choices_bl[:, :, np.newaxis], axis=2)
        return choice_blm - chosen_bl1, -2 * feature_bf[:, size:] * slope_bf[:, size:]


class Predictor:
    """The posterior over opinions, given finished trials.

    Args:
        decisions: (N) architectures of finished trials, at least one.
        scores: (N) what they are worth, mean 0, standard deviation about 1.
        num_operations: m.
    """

    def __init__(self, decisions: Sequence[Decisions], scores: Floats, num_operations: int) -> None:
        index = best_and_latest(scores, MAX_TRIALS // 2)
        choices_nl, joins_nlk = stacked([decisions[one] for one in index])
        self._num_layers = choices_nl.shape[1]
        self._num_operations = num_operations
        self._trial_nf = _features(choices_nl, joins_nlk, num_operations)
        self._score_n = scores[index]
        # Squared length of an architecture's features, the same for all.
        self._length = self._num_layers + self._num_layers * (self._num_layers - 1) / 4

    def draw(self, random: np.random.Generator, spread: float, count: int) -> list[Opinion]:
        """Draw opinions: the posterior's mean, and deviations from it in the single decisions (Matheron's rule).

        Args:
            random: source of the draws.
            spread: 0 gives the posterior's mean, 1 a fair draw (Thompson sampling).
            count: how many.
        """
        num_trials, num_features = self._trial_nf.shape
        # One after the other: the first opinions do not depend on how many follow.
        normal = np.stack([random.standard_normal(num_features + num_trials) for _ in range(count)])
        prior_fc = spread * normal[:, :num_features].T
        noise_nc = spread * np.sqrt(_NOISE) * normal[:, num_features:].T
        # In the dual form: an experiment has thousands of features and some hundred trials.
        pairs = _PAIRS / self._length
        product_nn = self._trial_nf @ self._trial_nf.T
        covariance_nn = 1 + product_nn + pairs * product_nn**2 + _NOISE * np.eye(num_trials)
        residual_nc = self._score_n[:, np.newaxis] - self._trial_nf @ prior_fc - noise_nc
        dual_nc = np.linalg.solve(covariance_nn, residual_nc)
        single_fc = prior_fc + self._trial_nf.T @ dual_nc
        return [
            Opinion(single_f, pairs * dual_n, self._trial_nf, self._num_layers, self._num_operations)
            for single_f, dual_n in zip(single_fc.T, dual_nc.T, strict=True)
        ]


def _features(choices_bl: NDArray[np.int32], joins_blk: NDArray[np.bool_], num_operations: int) -> Floats:
    """(B, F): one-hot operations of each layer, and joins as plus or minus."""
    earlier_lk = np.tri(choices_bl.shape[1], k=-1, dtype=bool)
    one_hot_blm = choices_bl[:, :, np.newaxis] == np.arange(num_operations)
    joins_bj = np.where(joins_blk[:, earlier_lk], _JOIN, -_JOIN)
    return np.concatenate([one_hot_blm.reshape(len(choices_bl), -1), joins_bj], axis=1)
