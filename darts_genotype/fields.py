"""What all forms have in common: four fields, or two for a recurrent cell, which lists, texts and integers fill."""

from collections.abc import Mapping

from darts_genotype.genotype import MAX_NODES, NUM_INPUTS, Cell, Edge, Genotype, GenotypeError, Node
from darts_genotype.recurrent import RecurrentGenotype

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

RECURRENT_FIELDS = ("recurrent", "concat")
"""Of the genotype of a recurrent cell, which has the same fields in every form."""

_MOST_LISTED = NUM_INPUTS + MAX_NODES


def from_nested(fields: Mapping[str, object]) -> Genotype:
    """Read fields whose cells are lists of nodes, and nodes lists of edges.

    Args:
        fields: has each of `FIELDS`; others are not looked at.

    Raises:
        GenotypeError: they hold something else.
    """
    return Genotype(
        normal=_cell("normal", fields["normal"]), reduce=_cell("reduce", fields["reduce"]), **read_concats(fields)
    )


def from_recurrent(fields: Mapping[str, object]) -> RecurrentGenotype:
    """Read the fields of a recurrent cell.

    Args:
        fields: has each of `RECURRENT_FIELDS`; others are not looked at.

    Raises:
        GenotypeError: they hold something else.
    """
    nodes = fields["recurrent"]
    if not isinstance(nodes, list | tuple):
        raise GenotypeError("recurrent", nodes, "it is a list of edges, one a node")
    edges = (read_edge(f"recurrent, node {node}", edge) for node, edge in enumerate(nodes, start=1))
    return RecurrentGenotype(recurrent=tuple(edges), concat=_concat("concat", fields["concat"]))


def read_concats(fields: Mapping[str, object]) -> dict[str, tuple[int, ...]]:
    """Read the nodes that outputs of cells concatenate, as `Genotype` takes them; which they are is not looked at.

    Raises:
        GenotypeError: something is no list of nodes.
    """
    return {name: _concat(name, fields[name]) for name in ("normal_concat", "reduce_concat") if name in fields}


def concat_text(genotype: Genotype, concat: tuple[int, ...]) -> str:
    """Write what an output concatenates as Python does: all inner nodes as a range, as DARTS prints them, or a list."""
    return str(genotype.inner_nodes if concat == tuple(genotype.inner_nodes) else list(concat))


def read_edge(place: str, value: object) -> Edge:
    """Read a pair of an operation and a source; neither is looked at.

    Raises:
        GenotypeError: it is no such pair.
    """
    match value:
        case [str(operation), int(source)] if not isinstance(source, bool):
            return Edge(operation, source)
    raise GenotypeError(place, value, "an edge is an operation and the number of the node that it comes from")


def _concat(name: str, value: object) -> tuple[int, ...]:
    # A range can be longer than any memory.
    few = value[: _MOST_LISTED + 1] if isinstance(value, list | tuple | range) else ()
    if not 1 <= len(few) <= _MOST_LISTED or any(type(node) is not int for node in few):
        raise GenotypeError(name, value, f"it is a list of 1 to {_MOST_LISTED} nodes")
    return tuple(few)


def _cell(kind: str, nodes: object) -> Cell:
    if not isinstance(nodes, list | tuple):
        raise GenotypeError(kind, nodes, "it is a list of nodes")
    return tuple(_node(f"{kind}, node {index}", node) for index, node in enumerate(nodes, start=NUM_INPUTS))


def _node(place: str, edges: object) -> Node:
    if not isinstance(edges, list | tuple):
        raise GenotypeError(place, edges, "a node is a list of edges")
    return tuple(read_edge(place, edge) for edge in edges)
