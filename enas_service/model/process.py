"""A Gaussian process over described networks, whose weights say what matters (Rasmussen & Williams 2006).

What two networks share is ``m = sum_f w_f s_f`` (`features` has the similarities s_f), W = sum_f w_f, and

    k(m) = a_1 m / W + a_2 (m / W)^2 + a_3 exp(m - W)

so single decisions add up, pairs of them do (Duvenaud et al. 2011), and neighbourhoods count; all three are positive
definite since s is. The logarithm of a weight is the sum of its feature's own offset and its kind's scale: all joins
share what they learn, and still one of them can matter alone. Weights, shares and noise are those of the largest
marginal likelihood with weak priors; the amplitude has a closed form.

Shape suffixes: n trial, b network, v column, f feature, k kind, p parameter.
"""

import copy
from dataclasses import dataclass

import numpy as np

from enas_service.model.features import Columns, Features, Floats
from enas_service.model.lbfgs import minimize

_OFFSET_SD, _SCALE_SD, _NOISE_SD, _SHARE_SD = 0.7, 1.5, 1.5, 1.5
"""Standard deviations of the priors, in natural logarithms."""

_USUAL_TOTAL = {"same": 0.8, "set": 0.8, "near": 0.4, "count": 0.4}
"""Where the prior expects the weights of a kind to add up to, by form."""

_USUAL_NOISE = 0.03
"""The same of the noise's variance, as a share of the amplitude."""

_USUAL_SHARE = np.array([0.0, -1.0, 0.0])
"""The same of a_1 to a_3, as logits."""

_MIN_NOISE = 1e-3
"""Keeps the covariance of trials positive definite in floating point."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What matters, and how.

    Args:
        point_p: parameters: offsets (F), scales (K), logarithm of the noise, logits of the shares (3).
        weight_f: w.
        shares_3: a.
        noise: variance around the process, as a share of its amplitude.
    """

    point_p: Floats
    weight_f: Floats
    shares_3: Floats
    noise: float

    def covariance(self, one_bv: Columns, other_nv: Columns, features: Features) -> Columns:
        """K between networks, (B, N)."""
        match_bn = (one_bv * self.weight_f[features.feature_v].astype(np.float32)) @ other_nv.T
        total, shares = np.float32(self.weight_f.sum()), self.shares_3.astype(np.float32)
        share_bn = match_bn / total
        near_bn = np.exp(match_bn - total)
        return np.asarray(shares[0] * share_bn + shares[1] * share_bn**2 + shares[2] * near_bn)


def read(point_p: Floats, features: Features) -> Weights:
    """Weights of parameters."""
    num_features, num_kinds = len(features.kind_f), len(features.kinds)
    offset_f, scale_k = point_p[:num_features], point_p[num_features : num_features + num_kinds]
    share_3 = np.exp(point_p[-3:] - point_p[-3:].max())
    return Weights(
        point_p,
        np.exp(np.clip(offset_f + scale_k[features.kind_f], -20, 3)),
        share_3 / share_3.sum(),
        float(np.exp(np.clip(point_p[-4], -20, 3))) + _MIN_NOISE,
    )


def usual(features: Features) -> Floats:
    """The prior's mean (P)."""
    sizes_k = np.bincount(features.kind_f, minlength=len(features.kinds))
    totals_k = np.array([_USUAL_TOTAL[form] for _, form in features.kinds])
    return np.concatenate(
        [np.zeros(len(features.kind_f)), np.log(totals_k / sizes_k), [np.log(_USUAL_NOISE)], _USUAL_SHARE]
    )


def _deviations(features: Features) -> Floats:
    parts = (len(features.kind_f), _OFFSET_SD), (len(features.kinds), _SCALE_SD), (1, _NOISE_SD), (3, _SHARE_SD)
    return np.concatenate([np.full(size, deviation) for size, deviation in parts])


def fit(features: Features, column_nv: Columns, score_n: Floats, start_p: Floats, num_steps: int) -> Weights:
    """Weights of the largest posterior density near the start.

    Args:
        features: what columns mean.
        column_nv: columns of finished trials.
        score_n: what they are worth, mean about 0, standard deviation about 1.
        start_p: parameters to start from, `usual` or those of a fit with fewer trials.
        num_steps: most steps of L-BFGS.
    """
    usual_p, deviation_p = usual(features), _deviations(features)

    def loss(point_p: Floats) -> tuple[float, Floats]:
        value, gradient_p = negative_log_likelihood(features, column_nv, score_n, point_p)
        away_p = (point_p - usual_p) / deviation_p
        return value + 0.5 * float(away_p @ away_p), gradient_p + away_p / deviation_p

    return read(minimize(loss, start_p, num_steps)[0], features)


def negative_log_likelihood(
    features: Features, column_nv: Columns, score_n: Floats, point_p: Floats
) -> tuple[float, Floats]:
    """Equation 5.8 with the amplitude at its best, and an exponential prior of the weights; with its gradient (P)."""
    weights = read(point_p, features)
    weight_f, shares, total, num_trials = weights.weight_f, weights.shares_3, weights.weight_f.sum(), len(score_n)
    match_nn = ((column_nv * weight_f[features.feature_v].astype(np.float32)) @ column_nv.T).astype(np.float64)
    share_nn = match_nn / total
    near_nn = np.exp(match_nn - total)
    covariance_nn = shares[0] * share_nn + shares[1] * share_nn**2 + shares[2] * near_nn
    covariance_nn.flat[:: num_trials + 1] += weights.noise
    try:
        lower_nn = np.linalg.cholesky(covariance_nn)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(point_p)
    inverse_nn = np.linalg.inv(covariance_nn)
    dual_n = inverse_nn @ score_n
    amplitude = max(float(score_n @ dual_n) / num_trials, 1e-6)
    value = 0.5 * num_trials * np.log(amplitude) + np.log(np.diag(lower_nn)).sum() + total
    # The value's derivative by each entry of the covariance (equation 5.9).
    slope_nn = 0.5 * (inverse_nn - np.outer(dual_n, dual_n) / amplitude)
    of_sums_nn = slope_nn * (shares[0] + 2 * shares[1] * share_nn) / total
    of_near_nn = slope_nn * shares[2] * near_nn
    of_total = 1 - (of_sums_nn * share_nn).sum() - of_near_nn.sum()
    of_column_v = (((of_sums_nn + of_near_nn).astype(np.float32) @ column_nv) * column_nv).sum(axis=0)
    of_weight_f = (np.add.reduceat(of_column_v, features.start_f) + of_total) * weight_f
    of_share_3 = np.array([(slope_nn * part).sum() for part in (share_nn, share_nn**2, near_nn)])
    return float(value), np.concatenate(
        [
            of_weight_f,
            np.bincount(features.kind_f, of_weight_f, minlength=len(features.kinds)),
            [np.trace(slope_nn) * (weights.noise - _MIN_NOISE)],
            shares * (of_share_3 - shares @ of_share_3),
        ]
    )


class Posterior:
    """What is expected of networks after trials, and how much of it is in doubt.

    Args:
        features: what columns mean.
        weights: what matters.
        column_nv: columns of the trials.
        score_n: what they are worth.

    Attributes:
        amplitude: variance of the process, the likeliest one given the weights.
    """

    def __init__(self, features: Features, weights: Weights, column_nv: Columns, score_n: Floats) -> None:
        self._features, self.weights = features, weights
        self._column_nv, self.score_n = column_nv, score_n
        covariance_nn = weights.covariance(column_nv, column_nv, features).astype(np.float64)
        covariance_nn.flat[:: len(score_n) + 1] += weights.noise
        self._whitener_nn = np.linalg.inv(np.linalg.cholesky(covariance_nn))
        self._solve()
        self.amplitude = max(float(score_n @ self._dual_n) / len(score_n), 1e-6)

    def predict(self, column_bv: Columns) -> tuple[Floats, Floats]:
        """Mean (B), and standard deviation (B) as a share of what it is before any trial (equations 2.25, 2.26)."""
        covariance_bn = self.weights.covariance(column_bv, self._column_nv, self._features)
        white_bn = covariance_bn @ self._single_nn
        known_b = np.einsum("bn,bn->b", white_bn, white_bn).astype(np.float64)
        return covariance_bn @ self._dual_n, np.sqrt(np.maximum(1 - known_b, 1e-9))

    def believing(self, column_v: Columns) -> "Posterior":
        """The same as if one more trial had come out as expected; the amplitude stays."""
        column_1v = column_v[np.newaxis]
        covariance_n = self.weights.covariance(column_1v, self._column_nv, self._features)[0].astype(np.float64)
        white_n = self._whitener_nn @ covariance_n
        rest = np.sqrt(1 + self.weights.noise - white_n @ white_n)
        more = copy.copy(self)
        more._column_nv = np.concatenate([self._column_nv, column_1v])
        more.score_n = np.append(self.score_n, covariance_n @ self._dual_n)
        # One more row of the Cholesky factor, and of its inverse.
        more._whitener_nn = np.zeros((len(more.score_n),) * 2)
        more._whitener_nn[:-1, :-1] = self._whitener_nn
        more._whitener_nn[-1] = np.append(-(white_n @ self._whitener_nn), 1) / rest
        more._solve()
        return more

    def _solve(self) -> None:
        self._single_nn = np.ascontiguousarray(self._whitener_nn.T, dtype=np.float32)
        self._dual_n = self._whitener_nn.T @ (self._whitener_nn @ self.score_n)
