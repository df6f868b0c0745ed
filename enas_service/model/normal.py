"""The normal distribution, as far as the model needs it; SciPy would take 30 MiB of the service's memory."""

import math
from statistics import NormalDist

import numpy as np

from enas_service.model.features import Floats

_erf = np.frompyfunc(math.erf, 1, 1)
_quantile = np.frompyfunc(NormalDist().inv_cdf, 1, 1)


def density(z: Floats) -> Floats:
    """Of the standard normal."""
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))


def distribution(z: Floats) -> Floats:
    """Probability below z."""
    return np.asarray(0.5 * (1 + np.asarray(_erf(z / math.sqrt(2)), dtype=np.float64)))


def log_distribution(z: Floats) -> Floats:
    """Logarithm of `distribution`; far below 0 by its asymptote (Abramowitz & Stegun 26.2.12)."""
    z = np.asarray(z, dtype=np.float64)
    near, far = np.maximum(z, -5.0), np.minimum(z, -5.0)
    of_far = -0.5 * far * far - np.log(-far * math.sqrt(2 * math.pi))
    return np.where(z > -5.0, np.log(distribution(near)), of_far)


def quantile(p: Floats) -> Floats:
    """Inverse of `distribution`, for 0 < p < 1."""
    return np.asarray(_quantile(p), dtype=np.float64)


def scores(rewards: Floats) -> Floats:
    """Normal scores of rewards (N): only their order counts, and equal ones stay equal (Blom 1958, chapter 6)."""
    _, index_n, counts = np.unique(rewards, return_inverse=True, return_counts=True)
    rank_n = (np.cumsum(counts) - (counts - 1) / 2)[index_n]
    return quantile((rank_n - 0.5) / len(rewards))
