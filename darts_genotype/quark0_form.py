"""The form of the DARTS authors' code, quark0/darts: a cell is one flat list of edges, two a node or, recurrent, one.

``cnn/genotypes.py`` and ``rnn/genotypes.py`` there. Activation functions have the same names here and there.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from darts_genotype.fields import concat_text, read_concats, read_edge
from darts_genotype.genotype import EDGES_PER_NODE, NUM_INPUTS, Cell, Edge, Genotype, GenotypeError, Node
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "sep_conv_3x3": "separable_convolution_3x3",
        "sep_conv_5x5": "separable_convolution_5x5",
        "sep_conv_7x7": "separable_convolution_7x7",
        "dil_conv_3x3": "dilated_convolution_3x3",
        "dil_conv_5x5": "dilated_convolution_5x5",
        "avg_pool_3x3": "avg_pooling_3x3",
        "max_pool_3x3": "max_pooling_3x3",
        "skip_connect": "skip_connection",
    }
)
"""Names there, and ours. ``conv_7x1_1x7`` has no counterpart, ``none`` is in no genotype."""

_THEIRS = {ours: theirs for theirs, ours in OPERATIONS.items()}


def is_flat(fields: Mapping[str, object]) -> bool:
    """Tell this form from Katib's: the normal cell begins with an edge, not with a node."""
    match fields["normal"]:
        case [[str(), *_], *_]:
            return True
    return False


def from_fields(fields: Mapping[str, object]) -> Genotype:
    """Read the fields of a text.

    Raises:
        GenotypeError: they hold something else, or an operation that has no counterpart among ours.
    """
    genotype = Genotype(
        normal=_cell("normal", fields["normal"]), reduce=_cell("reduce", fields["reduce"]), **read_concats(fields)
    )
    _check_reduce(genotype)
    return genotype


def write(genotype: AnyGenotype) -> str:
    """Write it as a Python expression, one line.

    Raises:
        GenotypeError: it is one of pictures and has no reduction cell; each network there has one.
    """
    if isinstance(genotype, RecurrentGenotype):
        nodes = [tuple(edge) for edge in genotype.recurrent]
        return f"Genotype(recurrent={nodes}, concat={genotype.concat_text.replace(',', ', ')})"
    _check_reduce(genotype)
    return (
        f"Genotype(normal={_flat(genotype.normal)}, normal_concat={concat_text(genotype, genotype.normal_concat)}, "
        f"reduce={_flat(genotype.reduce)}, reduce_concat={concat_text(genotype, genotype.reduce_concat)})"
    )


def _check_reduce(genotype: Genotype) -> None:
    if not genotype.reduce:
        raise GenotypeError("reduce", [], "the form of quark0/darts always has a reduction cell")


def _flat(cell: Cell) -> list[tuple[str, int]]:
    return [(_THEIRS[edge.operation], edge.source) for node in cell for edge in node]


def _cell(kind: str, edges: object) -> Cell:
    if not isinstance(edges, list | tuple):
        raise GenotypeError(kind, edges, "it is a list of edges")
    if len(edges) % EDGES_PER_NODE:
        raise GenotypeError(kind, f"{len(edges)} edges", f"each node has {EDGES_PER_NODE}")
    return tuple(_nodes(kind, edges))


def _nodes(kind: str, edges: list[object] | tuple[object, ...]) -> Iterator[Node]:
    for first in range(0, len(edges), EDGES_PER_NODE):
        place = f"{kind}, node {NUM_INPUTS + first // EDGES_PER_NODE}"
        yield tuple(_edge(place, edge) for edge in edges[first : first + EDGES_PER_NODE])


def _edge(place: str, value: object) -> Edge:
    operation, source = read_edge(place, value)
    if operation not in OPERATIONS:
        raise GenotypeError(place, operation, f"the operations are {', '.join(OPERATIONS)}")
    return Edge(OPERATIONS[operation], source)
