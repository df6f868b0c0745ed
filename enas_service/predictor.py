"""What a decision is worth: Bayesian linear regression of rewards on the decisions of finished trials.

Every operation of every layer and every join has a weight of its own (Bishop, Pattern Recognition and Machine Learning,
section 3.3). A policy needs hundreds of trials to find out what a single decision is worth; the regression needs about
as many trials as there are decisions that matter, and knows how sure it is of each.

Shape suffixes: n trial, l layer, k source of a join, m operation, f feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enas_service.scores import Floats
from enas_service.search_space import Decisions

MIN_TRIALS = 9
"""With fewer finished trials, an opinion on some fifty decisions is noise."""

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
        self._num_layers = len(decisions[0].choices_l)
        self._num_operations = num_operations
        # In the dual form: an experiment has thousands of features and some hundred trials.
        self._feature_nf = _features(decisions, num_operations)
        covariance_nn = self._feature_nf @ self._feature_nf.T + _NOISE * np.eye(len(decisions))
        self._cholesky_nn = np.linalg.cholesky(covariance_nn)
        self._score_n = scores

    def draw(self, random: np.random.Generator, spread: float) -> Worth:
        """Draw an opinion from the posterior, its deviations from the mean scaled (Matheron's rule).

        Args:
            random: source of the draw.
            spread: 0 gives the posterior's mean, 1 a fair draw (Thompson sampling).
        """
        prior_f = spread * random.standard_normal(self._feature_nf.shape[1])
        noise_n = spread * np.sqrt(_NOISE) * random.standard_normal(len(self._score_n))
        residual_n = self._score_n - self._feature_nf @ prior_f - noise_n
        weight_f = prior_f + self._feature_nf.T @ self._solve(residual_n)
        size = self._num_layers * self._num_operations
        join_lk = np.zeros((self._num_layers, self._num_layers))
        join_lk[np.tri(self._num_layers, k=-1, dtype=bool)] = weight_f[size:-1] * _JOIN
        return Worth(choice_lm=weight_f[:size].reshape(self._num_layers, self._num_operations), join_lk=join_lk)

    def _solve(self, value_n: Floats) -> Floats:
        return np.linalg.solve(self._cholesky_nn.T, np.linalg.solve(self._cholesky_nn, value_n))


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
