"""From alphas to a genotype: the rule of the paper (arXiv 1806.09055, section 2.4)."""

from collections.abc import Sequence
from itertools import islice

from torch import Tensor

from cell_networks.layout import edge_sources
from darts_genotype.genotype import EDGES_PER_NODE, Cell, Edge, Genotype
from darts_genotype.primitives import NONE


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


def _derive_cell(weight_eo: Tensor, primitives: Sequence[str], num_nodes: int) -> Cell:
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
