"""Watching for collapse: searches that go on for long tend to end with cells of skip connections.

A skip connection has nothing to learn, so it is ahead of the convolutions while these are not trained, and the alphas
may settle on it (arXiv 1909.06035, section 3).
"""

from collections.abc import Sequence

from darts_service.primitives import SKIP_CONNECTION
from darts_trainer.genotype import Node


def num_skips(cell: Sequence[Node]) -> int:
    """Count the edges of a genotype's cell, such as ``genotype.normal``, that are skip connections."""
    return sum(edge.operation == SKIP_CONNECTION for node in cell for edge in node)
