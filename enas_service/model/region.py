"""A space as the models see it: columns of whatever is in it, and what they expect of that.

Shape suffixes: b or n one of several, d decision, v column.
"""

from dataclasses import dataclass

import numpy as np

from enas_service.decisions import Decisions
from enas_service.model.features import Columns, Features, Floats
from enas_service.model.process import Posterior
from enas_service.spaces.space import Space

MAX_NUMBERS = 2**19
"""Numbers of columns that are held at once: candidates of a large space are judged in parts."""


@dataclass(frozen=True, slots=True)
class Region:
    """A space, and the columns of what is in it.

    Args:
        space: what may be proposed.
        features: of its attributes.
    """

    space: Space
    features: Features

    @classmethod
    def of(cls, space: Space) -> "Region":
        """Make the features of a space."""
        return cls(space, Features(space.attributes))

    def columns(self, decisions_nd: Decisions) -> Columns:
        """Columns (N, V) of decisions."""
        return self.features(self.space.described(decisions_nd))

    def draw(self, count: int, random: np.random.Generator) -> Decisions:
        """Decisions (B, D), every combination of options as likely as any other."""
        counts = np.asarray(self.space.counts)
        return np.asarray(random.random((count, len(counts))) * counts, dtype=np.int32)


def judged(posterior: Posterior, region: Region, decisions_bd: Decisions) -> tuple[Floats, Floats]:
    """`Posterior.predict` of decisions (B, D), in parts."""
    size = max(1, MAX_NUMBERS // max(1, region.features.num_columns))
    parts = [decisions_bd[start : start + size] for start in range(0, len(decisions_bd), size)]
    mean_parts, doubt_parts = zip(*(posterior.predict(region.columns(part)) for part in parts), strict=True)
    return np.concatenate(mean_parts), np.concatenate(doubt_parts)
