"""A genotype: the discrete cells that a DARTS search ends with. Standard library only, as all of this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from darts_genotype.primitives import PRIMITIVES, SKIP_CONNECTION
from katib_suggestion.errors import shown

NUM_INPUTS = 2
"""Inputs of a cell: the outputs of the cell before the previous one (node 0) and of the previous one (node 1)."""

EDGES_PER_NODE = 2
"""Incoming edges that each node keeps (arXiv 1806.09055, section 2.4)."""

MAX_NODES = 64
"""The most inner nodes that a cell may have: what the setting ``num_nodes`` allows."""


class GenotypeError(ValueError):
    """A text or a structure is no genotype.

    Args:
        place: where it goes wrong, such as ``normal, node 3``.
        value: what stands there.
        allowed: what may stand there, as the end of a sentence.
    """

    def __init__(self, place: str, value: object, allowed: str) -> None:
        super().__init__(f"genotype: {place}: {shown(value)} is not allowed: {allowed}")


class Edge(NamedTuple):
    """An operation applied to an earlier node of the cell."""

    operation: str
    source: int


Node = tuple[Edge, ...]
"""The incoming edges of an inner node, the strongest first; the node is their sum."""

Cell = tuple[Node, ...]
"""The inner nodes of a cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Genotype:
    """The two kinds of cells of a network.

    Node 0 is the output of the cell before the previous one, node 1 that of the previous one, inner nodes count from 2.
    Each cell's output is the concatenation of all its inner nodes.

    Raises:
        GenotypeError: an operation is unknown, an edge comes from no earlier node, a node has not two edges from two
            nodes, or a cell has not 1 to `MAX_NODES` nodes.
    """

    normal: Cell
    """The normal cell."""
    reduce: Cell
    """The reduction cell, with as many nodes as the normal one; empty where the network has none."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_nodes <= MAX_NODES:
            raise GenotypeError("normal", f"{self.num_nodes} nodes", f"a cell has 1 to {MAX_NODES} nodes")
        if self.reduce and len(self.reduce) != self.num_nodes:
            allowed = f"it has as many nodes as normal, which has {self.num_nodes}, or none"
            raise GenotypeError("reduce", f"{len(self.reduce)} nodes", allowed)
        for kind, cell in (("normal", self.normal), ("reduce", self.reduce)):
            for index, node in enumerate(cell, start=NUM_INPUTS):
                _check_node(f"{kind}, node {index}", index, node)

    @property
    def num_nodes(self) -> int:
        """Inner nodes of a cell."""
        return len(self.normal)

    @property
    def concat(self) -> range:
        """The nodes that a cell's output concatenates, in either kind of cell."""
        return range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)


def num_skips(cell: Sequence[Node]) -> int:
    """Count the edges of a cell that are skip connections."""
    return sum(edge.operation == SKIP_CONNECTION for node in cell for edge in node)


def _check_node(place: str, index: int, node: Node) -> None:
    if len(node) != EDGES_PER_NODE:
        raise GenotypeError(place, [tuple(edge) for edge in node], f"a node has {EDGES_PER_NODE} edges")
    for edge in node:
        if edge.operation not in PRIMITIVES:
            raise GenotypeError(place, edge.operation, f"the operations are {', '.join(PRIMITIVES)}")
        if not 0 <= edge.source < index:
            allowed = f"an edge comes from an earlier node, 0 to {index - 1}"
            raise GenotypeError(place, edge.source, allowed)
    if len({edge.source for edge in node}) != len(node):
        raise GenotypeError(place, node[0].source, "the edges of a node come from different nodes")
