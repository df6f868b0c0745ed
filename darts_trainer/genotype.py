"""A genotype: the discrete cells that a search ends with, as Katib's text and as JSON."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from torch import Tensor

from darts_service.primitives import NONE, PRIMITIVES
from darts_trainer.layout import NUM_INPUTS, edge_sources
from katib_suggestion.errors import shown

EDGES_PER_NODE = 2
"""Incoming edges that each node keeps (arXiv 1806.09055, section 2.4)."""

_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Genotype:
    """The two kinds of cells of a network.

    Node 0 is the output of the cell before the previous one, node 1 that of the previous one, inner nodes count from 2.
    Each cell's output is the concatenation of all its inner nodes.

    Raises:
        GenotypeError: an operation is unknown, an edge comes from no earlier node, or a node has not two edges from two
            nodes.
    """

    normal: tuple[Node, ...]
    """Inner nodes of the normal cell; at least one."""
    reduce: tuple[Node, ...]
    """Inner nodes of the reduction cell, as many as of the normal one; empty where the network has none."""

    def __post_init__(self) -> None:
        if not self.normal:
            raise GenotypeError("normal", [], "a cell has at least one node")
        if self.reduce and len(self.reduce) != self.num_nodes:
            allowed = f"it has as many nodes as normal, which has {self.num_nodes}, or none"
            raise GenotypeError("reduce", f"{len(self.reduce)} nodes", allowed)
        for kind, nodes in (("normal", self.normal), ("reduce", self.reduce)):
            for index, node in enumerate(nodes, start=NUM_INPUTS):
                _check_node(f"{kind}, node {index}", index, node)

    @property
    def num_nodes(self) -> int:
        """Inner nodes of a cell."""
        return len(self.normal)

    @property
    def concat(self) -> range:
        """The nodes that a cell's output concatenates, in either kind of cell."""
        return range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)

    def __str__(self) -> str:
        """Katib's text form, one line without blanks."""
        concat = f"range({self.concat.start},{self.concat.stop})"
        return (
            f"Genotype(normal={_cell_text(self.normal)},normal_concat={concat},"
            f"reduce={_cell_text(self.reduce)},reduce_concat={concat})"
        )

    def structure(self) -> dict[str, Any]:
        """The same as a value of JSON: nodes as lists of ``[operation, source]``, concatenations as lists of nodes."""
        return {
            "normal": [[list(edge) for edge in node] for node in self.normal],
            "normal_concat": list(self.concat),
            "reduce": [[list(edge) for edge in node] for node in self.reduce],
            "reduce_concat": list(self.concat),
        }


def from_structure(structure: Mapping[str, Any]) -> Genotype:
    """Read what `Genotype.structure` makes.

    Raises:
        GenotypeError: it is something else.
    """
    if not isinstance(structure, Mapping) or set(structure) != set(_FIELDS):
        raise GenotypeError("fields", structure, f"they are {', '.join(_FIELDS)}")
    genotype = Genotype(
        normal=_read_cell("normal", structure["normal"]), reduce=_read_cell("reduce", structure["reduce"])
    )
    for field in ("normal_concat", "reduce_concat"):
        if structure[field] not in (genotype.concat, list(genotype.concat)):
            raise GenotypeError(field, structure[field], f"it lists all inner nodes, {list(genotype.concat)}")
    return genotype


def parse(text: str) -> Genotype:
    """Read Katib's text form; blanks and line ends between its parts do not matter. Nothing is evaluated.

    Raises:
        GenotypeError: it is something else.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise GenotypeError("text", text, f"it reads Genotype({'=…,'.join(_FIELDS)}=…)") from error
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Genotype"):
        raise GenotypeError("text", text, "it starts with Genotype(")
    names = [keyword.arg for keyword in call.keywords]
    if call.args or sorted(map(str, names)) != sorted(_FIELDS):
        raise GenotypeError("fields", names, f"they are {', '.join(_FIELDS)}")
    return from_structure({str(keyword.arg): _value(keyword, text.strip()) for keyword in call.keywords})


def derive(
    weight_normal_eo: Tensor, weight_reduce_eo: Tensor | None, primitives: Sequence[str], num_nodes: int
) -> Genotype:
    """Keep the two strongest incoming edges of each node, each with its strongest operation (section 2.4).

    An edge is as strong as its strongest operation other than ``none``, by its weight in the mixture: so ``none`` never
    wins, but what it takes weakens its edge. Between equals the earlier primitive and the earlier source go first.

    Args:
        weight_normal_eo: softmax of the normal cells' alphas, (E, O); edges node by node, sources ascending.
        weight_reduce_eo: the same of the reduction cells; None where there are none.
        primitives: names of the operations, in the order of the last dimension.
        num_nodes: inner nodes of a cell.
    """
    return Genotype(
        normal=_derive_cell(weight_normal_eo, primitives, num_nodes),
        reduce=() if weight_reduce_eo is None else _derive_cell(weight_reduce_eo, primitives, num_nodes),
    )


def _derive_cell(weight_eo: Tensor, primitives: Sequence[str], num_nodes: int) -> tuple[Node, ...]:
    rows = iter(weight_eo.tolist())
    candidates = [index for index, primitive in enumerate(primitives) if primitive != NONE]
    nodes = []
    for sources in edge_sources(num_nodes):
        edges = []
        for source, row in zip(sources, islice(rows, len(sources)), strict=True):
            strongest = max(candidates, key=row.__getitem__)
            edges.append((row[strongest], Edge(primitives[strongest], source)))
        # A stable sort: equals stay in the order of their sources.
        edges.sort(key=lambda scored: -scored[0])
        nodes.append(tuple(edge for _, edge in edges[:EDGES_PER_NODE]))
    assert next(rows, None) is None, weight_eo.shape
    return tuple(nodes)


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


def _read_cell(kind: str, nodes: object) -> tuple[Node, ...]:
    if not isinstance(nodes, list):
        raise GenotypeError(kind, nodes, "it is a list of nodes")
    return tuple(_read_node(f"{kind}, node {index}", node) for index, node in enumerate(nodes, start=NUM_INPUTS))


def _read_node(place: str, edges: object) -> Node:
    if not isinstance(edges, list):
        raise GenotypeError(place, edges, "a node is a list of edges")
    return tuple(_read_edge(place, edge) for edge in edges)


def _read_edge(place: str, edge: object) -> Edge:
    match edge:
        case [str(operation), int(source)] if not isinstance(source, bool):
            return Edge(operation, source)
    raise GenotypeError(place, edge, "an edge is an operation and the number of the node that it comes from")


def _value(keyword: ast.keyword, text: str) -> object:
    """A field's value: a literal, or ``range(first,end)``."""
    match keyword.value:
        case ast.Call(
            func=ast.Name(id="range"),
            args=[ast.Constant(value=int(start)), ast.Constant(value=int(stop))],
            keywords=[],
        ):
            return range(start, stop)
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        allowed = "lists, tuples, texts, integers and range(first,end) may stand there"
        raise GenotypeError(str(keyword.arg), ast.get_source_segment(text, keyword.value), allowed) from error


def _cell_text(nodes: tuple[Node, ...]) -> str:
    texts = ("[" + ",".join(f"('{edge.operation}',{edge.source})" for edge in node) + "]" for node in nodes)
    return "[" + ",".join(texts) + "]"
