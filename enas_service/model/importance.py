"""What matters to a model, for readers: each attribute's share of what it expects to vary, and each value's worth.

Functional analysis of variance (Hutter, Hoos & Leyton-Brown 2014, section 3; Optuna's users know it as fANOVA): the
main effect of a value is the mean of what is expected of networks that have it, all else drawn uniformly; the
importance of an attribute is the variance of its main effects, as a share of the variance of what is expected at all.
What is left to 1 is said by attributes together.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enas_service.model.model import Model
from enas_service.model.region import judged

_NUM_DRAWS = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Importance:
    """What a model has learned of one attribute."""

    name: str
    kind: str
    decision: int
    share: float
    """Of the variance of what is expected, 0 to 1."""
    values: tuple[tuple[str, float], ...]
    """Each value, and the objective that is expected with it."""


def importances(model: Model, rewards: Sequence[float]) -> list[Importance]:
    """Judge every attribute.

    Args:
        model: of trials.
        rewards: (N) of those trials; what is expected is given in their unit.
    """
    space = model.region.space
    drawn_bd = model.region.draw(_NUM_DRAWS, np.random.default_rng(0))
    described_ba = space.described(drawn_bd)
    mean_b, _ = judged(model.posterior, model.region, drawn_bd)
    variance = max(float(mean_b.var()), 1e-12)
    found = []
    for attribute, value_b in zip(space.attributes, described_ba.T, strict=True):
        count_v = np.bincount(value_b, minlength=len(attribute.values))
        effect_v = np.bincount(value_b, mean_b, minlength=len(attribute.values)) / np.maximum(count_v, 1)
        spread = float(count_v @ (effect_v - mean_b.mean()) ** 2) / _NUM_DRAWS
        # By chance alone, means over so few draws differ by so much.
        by_chance = variance * (np.count_nonzero(count_v) - 1) / _NUM_DRAWS
        expected_v = np.where(count_v > 0, model.objective(effect_v, rewards), np.nan)
        texts = ["none" if value is None else value for value in attribute.values]
        found.append(
            Importance(
                name=attribute.name,
                kind=attribute.kind,
                decision=attribute.decision,
                share=min(1.0, max(0.0, (spread - by_chance) / variance)),
                values=tuple(zip(texts, expected_v.tolist(), strict=True)),
            )
        )
    return found


def by_kind(found: Sequence[Importance]) -> dict[str, float]:
    """Shares of the kinds, the largest first."""
    shares: dict[str, float] = defaultdict(float)
    for one in found:
        shares[one.kind] += one.share
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def summary(found: Sequence[Importance], count: int = 5) -> str:
    """The kinds and the attributes that matter most, for a line of the log."""
    kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in list(by_kind(found).items())[:count])
    best = sorted(found, key=lambda one: -one.share)[:count]
    attributes = ", ".join(f"{one.name} {one.share:.0%}" for one in best)
    # Parameters that are each of a kind of their own would be told twice.
    return kinds if kinds == attributes else f"{kinds}; most of all {attributes}"
