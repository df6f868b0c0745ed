"""Cells in each of the ways in which lists say which edge leads to which node."""

from collections.abc import Sequence

from darts_genotype import vocabulary
from darts_genotype.fields import read_edge
from darts_genotype.genotype import EDGES_PER_NODE, MAX_NODES, NUM_INPUTS, Cell, Edge, GenotypeError, Node


def cell(kind: str, value: object) -> Cell:
    """Read a cell, whatever its operations are called.

    - flat, as quark0/darts has it: edges ``(operation, source)``, two a node, in the order of the nodes;
    - grouped, as Katib and pt.darts have it: a list of edges for each node;
    - numbered, as FairDARTS has it: edges ``(operation, node, source)`` in any order.

    Args:
        kind: names the cell in a message.
        value: a list, or None where there is no such cell.

    Raises:
        GenotypeError: it is in none of these ways, or an operation is none of ours.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise GenotypeError(kind, value, "it is a list of nodes, or of edges")
    match value:
        case [[str(), int(), int()], *_]:
            return _numbered(kind, value)
        case [[str(), *_], *_]:
            return _flat(kind, value)
    return tuple(_node(f"{kind}, node {index}", edges) for index, edges in enumerate(value, start=NUM_INPUTS))


def _flat(kind: str, edges: Sequence[object]) -> Cell:
    if len(edges) % EDGES_PER_NODE:
        raise GenotypeError(kind, f"{len(edges)} edges", f"each node has {EDGES_PER_NODE}")
    firsts = range(0, len(edges), EDGES_PER_NODE)
    return tuple(
        _node(f"{kind}, node {index}", edges[first : first + EDGES_PER_NODE])
        for index, first in enumerate(firsts, start=NUM_INPUTS)
    )


def _numbered(kind: str, edges: Sequence[object]) -> Cell:
    nodes: dict[int, list[object]] = {}
    for edge in edges:
        match edge:
            # An edge comes from an earlier node, so that either order of both numbers can be told.
            case [str(operation), int(one), int(other)]:
                nodes.setdefault(max(one, other), []).append((operation, min(one, other)))
            case _:
                allowed = "an edge is an operation, the number of its node and that of the node that it comes from"
                raise GenotypeError(kind, edge, allowed)
    last = max(nodes)
    if last >= NUM_INPUTS + MAX_NODES:
        raise GenotypeError(kind, f"node {last}", f"a cell has 1 to {MAX_NODES} nodes")
    return tuple(_node(f"{kind}, node {node}", nodes.get(node, [])) for node in range(NUM_INPUTS, last + 1))


def _node(place: str, edges: object) -> Node:
    if not isinstance(edges, list | tuple):
        raise GenotypeError(place, edges, "a node is a list of edges")
    found = (read_edge(place, edge) for edge in edges)
    return tuple(Edge(vocabulary.ours(place, edge.operation), edge.source) for edge in found)
