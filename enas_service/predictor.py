"""What a decision is worth: Bayesian linear regression of rewards on the decisions of finished trials.

Every operation of every layer and every join has a weight of its own (Bishop, Pattern Recognition and Machine Learning,
section 3.3). A policy needs hundreds of trials to find out what a single decision is worth; the regression needs about
as many trials as there are decisions that matter, and knows how sure it is of each.

Shape suffixes: n trial, l layer, k source of a join, m operation, f feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enas_service.scores import Floats, best_and_latest
from enas_service.search_space import Decisions

MIN_TRIALS = 9
"""With fewer finished trials, an opinion on some fifty decisions is noise."""

_MAX_TRIALS = 400
"""Most trials that are looked at, the best and the latest: the cost of a round has a bound."""

_NOISE = 0.1
"""Variance of a score around the linear model, where the prior variance of a weight is 1."""

_JOIN = np.sqrt(0.5)
"""Half the distance between a join and its absence; that between two operations, too, is the square root of 2."""


@dataclass(frozen=True, slots=True)
class Worth:
    """One opinion of what decisions are worth; the worth of an architecture is the sum over its decisions.

    Args:
        choice_lm: (L, m) worth of each operation in each layer.
        join_lk: (L, L) worth of each join; that of not joining is its negative.
    """

    choice_lm: Floats
    join_lk: Floats


class Predictor:
    """The posterior over worths, given finished trials.

    Args:
        decisions: (N) architectures of finished trials, at least one.
        scores: (N) what they are worth, mean 0, standard deviation about 1.
        num_operations: m.
    """

    def __init__(self, decisions: Sequence[Decisions], scores: Floats, num_operations: int) -> None:
        index = best_and_latest(scores, _MAX_TRIALS // 2)
        self._num_layers = len(decisions[0].choices_l)
        self._num_operations = num_operations
        self._feature_nf = _features([decisions[one] for one in index], num_operations)
        self._score_n = scores[index]

    def draw(self, random: np.random.Generator, spread: float, count: int) -> list[Worth]:
        """Draw opinions from the posterior, their deviations from the mean scaled (Matheron's rule).

        Args:
            random: source of the draws.
            spread: 0 gives the posterior's mean, 1 a fair draw (Thompson sampling).
            count: how many.
        """
        num_trials, num_features = self._feature_nf.shape
        # One after the other: the first opinions do not depend on how many follow.
        normal = np.stack([random.standard_normal(num_features + num_trials) for _ in range(count)])
        prior_fc = spread * normal[:, :num_features].T
        noise_nc = spread * np.sqrt(_NOISE) * normal[:, num_features:].T
        # In the dual form: an experiment has thousands of features and some hundred trials.
        covariance_nn = self._feature_nf @ self._feature_nf.T + _NOISE * np.eye(num_trials)
        residual_nc = self._score_n[:, np.newaxis] - self._feature_nf @ prior_fc - noise_nc
        weight_fc = prior_fc + self._feature_nf.T @ np.linalg.solve(covariance_nn, residual_nc)
        return [self._worth(weight_f) for weight_f in weight_fc.T]

    def _worth(self, weight_f: Floats) -> Worth:
        size = self._num_layers * self._num_operations
        join_lk = np.zeros((self._num_layers, self._num_layers))
        join_lk[np.tri(self._num_layers, k=-1, dtype=bool)] = weight_f[size:-1] * _JOIN
        return Worth(choice_lm=weight_f[:size].reshape(self._num_layers, self._num_operations), join_lk=join_lk)


def _features(decisions: Sequence[Decisions], num_operations: int) -> Floats:
    """(N, F): one-hot operations of each layer, joins as plus or minus, and a constant."""
    choices_nl = np.stack([one.choices_l for one in decisions])
    joins_nlk = np.stack([one.joins_lk for one in decisions])
    earlier_lk = np.tri(choices_nl.shape[1], k=-1, dtype=bool)
    one_hot_nlm = choices_nl[:, :, np.newaxis] == np.arange(num_operations)
    return np.concatenate(
        [
            one_hot_nlm.reshape(len(decisions), -1),
            np.where(joins_nlk[:, earlier_lk], _JOIN, -_JOIN),
            np.ones((len(decisions), 1)),
        ],
        axis=1,
    )
