"""A genotype: the discrete cells that a DARTS search ends with. Standard library only, as all of this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from darts_genotype.primitives import PRIMITIVES, SKIP_CONNECTION
from katib_suggestion.errors import shown

NUM_INPUTS = 2
"""Inputs of a cell: the outputs of the cell before the previous one (node 0) and of the previous one (node 1)."""

EDGES_PER_NODE = 2
"""Incoming edges of a node (arXiv 1806.09055, section 2.4; 1802.03268, section 2.4)."""

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
        self.place, self.value, self.allowed = place, value, allowed
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
    Each cell's output is the concatenation of some of its nodes: of all inner ones, as DARTS has it, where nothing else
    is said; of those that no other node reads, inputs among them, in ENAS's micro space.

    Raises:
        GenotypeError: an operation is unknown, an edge comes from no earlier node, a node has not two edges, a cell has
            not 1 to `MAX_NODES` nodes, an output lists what is no node, or nothing comes of a node.
    """

    normal: Cell
    """The normal cell."""
    reduce: Cell
    """The reduction cell, with as many nodes as the normal one; empty where the network has none."""
    normal_concat: tuple[int, ...] = ()
    """Nodes that the normal cell's output concatenates, ascending; if none are given, all inner ones."""
    reduce_concat: tuple[int, ...] = ()
    """The same of the reduction cell; all inner ones where there is no such cell."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_nodes <= MAX_NODES:
            raise GenotypeError("normal", f"{self.num_nodes} nodes", f"a cell has 1 to {MAX_NODES} nodes")
        if self.reduce and len(self.reduce) != self.num_nodes:
            allowed = f"it has as many nodes as normal, which has {self.num_nodes}, or none"
            raise GenotypeError("reduce", f"{len(self.reduce)} nodes", allowed)
        for kind, cell in (("normal", self.normal), ("reduce", self.reduce)):
            for index, node in enumerate(cell, start=NUM_INPUTS):
                _check_node(f"{kind}, node {index}", index, node)
        inner = tuple(self.inner_nodes)
        for name, cell in (("normal_concat", self.normal), ("reduce_concat", self.reduce)):
            object.__setattr__(self, name, getattr(self, name) or inner)
            _check_concat(name, getattr(self, name), cell, inner)

    @property
    def num_nodes(self) -> int:
        """Inner nodes of a cell."""
        return len(self.normal)

    @property
    def inner_nodes(self) -> range:
        """The numbers of the inner nodes, in either kind of cell."""
        return range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)

    @property
    def is_beyond_darts(self) -> bool:
        """Whether DARTS never ends with it: an output is not of all inner nodes, or a node has one source twice.

        Cells of ENAS are so, but for a few.
        """
        inner = tuple(self.inner_nodes)
        nodes = (*self.normal, *self.reduce)
        return {self.normal_concat, self.reduce_concat} != {inner} or any(
            len({edge.source for edge in node}) < len(node) for node in nodes
        )

    @property
    def concat(self) -> range:
        """The nodes that the outputs of both kinds of cells concatenate, where these are all inner ones.

        Raises:
            GenotypeError: they are others: see ``normal_concat`` and ``reduce_concat``.
        """
        for name in ("normal_concat", "reduce_concat"):
            if getattr(self, name) != tuple(self.inner_nodes):
                allowed = f"there is a concat where all inner nodes are listed, {[*self.inner_nodes]}"
                raise GenotypeError(name, list(getattr(self, name)), allowed)
        return self.inner_nodes


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


def _check_concat(name: str, concat: tuple[int, ...], cell: Cell, inner: tuple[int, ...]) -> None:
    if not cell and concat != inner:
        allowed = f"there is no reduction cell, and then it lists all inner nodes, {list(inner)}"
        raise GenotypeError(name, list(concat), allowed)
    if list(concat) != sorted(set(concat)) or not 0 <= concat[0] <= concat[-1] <= inner[-1]:
        raise GenotypeError(name, list(concat), f"it lists nodes, 0 to {inner[-1]}, each once and ascending")
    read = {edge.source for node in cell for edge in node}
    for node in inner if cell else ():
        if node not in read and node not in concat:
            raise GenotypeError(name, list(concat), f"no node reads node {node}, so it must be among them")
