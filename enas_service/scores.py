"""Rewards become scores: only their order counts.

A metric is the user's own: a share, percents, a loss of any size, with outliers. Ranks take them all alike, so one set
of learning rates serves every experiment.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ranked(rewards: Sequence[float]) -> Floats:
    """Spread rewards evenly by rank, with mean 0 and, for many, standard deviation 1; equal rewards score the same.

    Args:
        rewards: (N) finite, larger is better, at least one.
    """
    _, index_n, counts = np.unique(np.asarray(rewards, dtype=np.float64), return_inverse=True, return_counts=True)
    # From 0; trials that share a value share the mean of their ranks.
    rank_n: Floats = (np.cumsum(counts) - (counts + 1) / 2)[index_n]
    half_width = max(1, len(rewards) - 1) / 2
    scores_n: Floats = np.sqrt(3) * (rank_n - rank_n.mean()) / half_width
    return scores_n


def advantages(scores: Floats, baseline_decay: float) -> Floats:
    """Compare each score, in the order in which trials finished, with the moving average of those before it.

    The average starts at the mean of all of them: a baseline from 0 makes every early trial look good.

    Args:
        scores: (N).
        baseline_decay: share of the average that one more score leaves.
    """
    baseline = float(scores.mean())
    compared = []
    for score in scores:
        compared.append(score - baseline)
        baseline += (1 - baseline_decay) * (score - baseline)
    return np.asarray(compared, dtype=np.float64)


def best_and_latest(scores: Floats, count: int) -> NDArray[np.int64]:
    """Indices, in order, of the best ``count`` scores and of the latest ``count``; at most twice ``count``."""
    best = np.argsort(-scores, kind="stable")[:count]
    latest = np.arange(len(scores))[-count:]
    return np.unique(np.concatenate([best, latest]))
