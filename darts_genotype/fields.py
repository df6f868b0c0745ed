"""What all forms have in common: four fields, or two for a recurrent cell, which lists, texts and integers fill."""

from collections.abc import Mapping

from darts_genotype.genotype import MAX_NODES, NUM_INPUTS, Cell, Edge, Genotype, GenotypeError, Node
from darts_genotype.recurrent import RecurrentGenotype

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

RECURRENT_FIELDS = ("recurrent", "concat")
"""Of the genotype of a recurrent cell, which has the same fields in every form."""


def from_nested(fields: Mapping[str, object]) -> Genotype:
    """Read fields whose cells are lists of nodes, and nodes lists of edges.

    Args:
        fields: has each of `FIELDS`; others are not looked at.

    Raises:
        GenotypeError: they hold something else.
    """
    genotype = Genotype(normal=_cell("normal", fields["normal"]), reduce=_cell("reduce", fields["reduce"]))
    check_concat(genotype, fields)
    return genotype


def from_recurrent(fields: Mapping[str, object]) -> RecurrentGenotype:
    """Read the fields of a recurrent cell.

    Args:
        fields: has each of `RECURRENT_FIELDS`; others are not looked at.

    Raises:
        GenotypeError: they hold something else.
    """
    nodes, concat = fields["recurrent"], fields["concat"]
    if not isinstance(nodes, list | tuple):
        raise GenotypeError("recurrent", nodes, "it is a list of edges, one a node")
    if isinstance(concat, range) and len(concat) > MAX_NODES:
        raise GenotypeError("concat", concat, f"it lists {MAX_NODES} nodes at most")
    if not isinstance(concat, list | tuple | range) or not all(type(node) is int for node in concat):
        raise GenotypeError("concat", concat, "it is a list of nodes' numbers")
    edges = (read_edge(f"recurrent, node {node}", edge) for node, edge in enumerate(nodes, start=1))
    return RecurrentGenotype(recurrent=tuple(edges), concat=tuple(concat))


def check_concat(genotype: Genotype, fields: Mapping[str, object]) -> None:
    """Check that each cell's output concatenates all its inner nodes.

    Raises:
        GenotypeError: it does not.
    """
    for name in ("normal_concat", "reduce_concat"):
        if fields[name] not in (genotype.concat, list(genotype.concat), tuple(genotype.concat)):
            raise GenotypeError(name, fields[name], f"it lists all inner nodes, {list(genotype.concat)}")


def read_edge(place: str, value: object) -> Edge:
    """Read a pair of an operation and a source; neither is looked at.

    Raises:
        GenotypeError: it is no such pair.
    """
    match value:
        case [str(operation), int(source)] if not isinstance(source, bool):
            return Edge(operation, source)
    raise GenotypeError(place, value, "an edge is an operation and the number of the node that it comes from")


def _cell(kind: str, nodes: object) -> Cell:
    if not isinstance(nodes, list | tuple):
        raise GenotypeError(kind, nodes, "it is a list of nodes")
    return tuple(_node(f"{kind}, node {index}", node) for index, node in enumerate(nodes, start=NUM_INPUTS))


def _node(place: str, edges: object) -> Node:
    if not isinstance(edges, list | tuple):
        raise GenotypeError(place, edges, "a node is a list of edges")
    return tuple(read_edge(place, edge) for edge in edges)
