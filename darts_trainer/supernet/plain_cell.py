"""A cell of the supernet in its plain form: one module an edge and operation.

This is equation 2 of arXiv 1806.09055, section 2.2, as it stands, and the reference:
`darts_trainer.supernet.fused_cell` computes the same, faster, and tests and benchmarks compare the two.

Shape suffixes: b images, c channels, h height, w width, e edges of a cell, o operations.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from cell_networks import operations
from cell_networks.layout import CellPlace, cell_inputs, edge_sources
from darts_genotype.genotype import NUM_INPUTS
from darts_trainer.supernet.partial_channels import PartialEdge


class MixedOperation(nn.Module):
    """An edge: the sum of all operations, each times its weight."""

    def __init__(self, primitives: Sequence[str], channels: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(
            operations.build(primitive, channels, stride, affine=False) for primitive in primitives
        )

    def forward(self, x_bchw: Tensor, weight_o: Tensor) -> Tensor:
        return _total(weight * operation(x_bchw) for weight, operation in zip(weight_o, self.operations, strict=True))


class PlainCell(nn.Module):
    """A cell: each inner node is the sum of the edges from all earlier nodes.

    Args:
        primitives: the operations that each edge chooses from.
        num_nodes: inner nodes.
        place: where the cell stands.
        k: one in K channels of an edge goes through its mixture; see `darts_trainer.supernet.partial_channels`.
    """

    def __init__(self, primitives: Sequence[str], num_nodes: int, place: CellPlace, *, k: int = 1) -> None:
        super().__init__()
        self.is_reduction = place.is_reduction
        self.k = k
        self.inputs = nn.ModuleList(cell_inputs(place, affine=False))
        self.nodes = nn.ModuleList()
        for sources in edge_sources(num_nodes):
            strides = (2 if place.is_reduction and source < NUM_INPUTS else 1 for source in sources)
            self.nodes.append(nn.ModuleList(_edge(primitives, place.channels, stride, k) for stride in strides))

    def forward(
        self, before_previous_bchw: Tensor, previous_bchw: Tensor, weight_eo: Tensor, weight_e: Tensor | None = None
    ) -> Tensor:
        """Compute the concatenation of all inner nodes.

        Args:
            before_previous_bchw: output of the cell before the previous one.
            previous_bchw: output of the previous cell.
            weight_eo: of the operations; edges node by node, sources ascending.
            weight_e: of whole edges; None where all count alike, as in the paper.
        """
        states = [self.inputs[0](before_previous_bchw), self.inputs[1](previous_bchw)]
        num_edges = [len(edges) for edges in self.nodes]  # type: ignore[arg-type]
        weights_by_node = weight_eo.split(num_edges)  # type: ignore[no-untyped-call]
        edge_weights_by_node = [None] * len(num_edges) if weight_e is None else weight_e.split(num_edges)  # type: ignore[no-untyped-call]
        for edges, node_weight_eo, node_weight_e in zip(self.nodes, weights_by_node, edge_weights_by_node, strict=True):
            assert isinstance(edges, nn.ModuleList)
            terms = [edge(state, weight_o) for edge, state, weight_o in zip(edges, states, node_weight_eo, strict=True)]
            if node_weight_e is not None:
                terms = [weight * term for weight, term in zip(node_weight_e, terms, strict=True)]
            states.append(_total(terms))
        return torch.cat(states[NUM_INPUTS:], dim=1)


def _edge(primitives: Sequence[str], channels: int, stride: int, k: int) -> nn.Module:
    mixed = MixedOperation(primitives, channels // k, stride)
    return mixed if k == 1 else PartialEdge(mixed, k, stride)


def _total(terms: Iterable[Tensor]) -> Tensor:
    first, *others = terms
    return sum(others, start=first)
