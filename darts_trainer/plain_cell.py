"""A cell of the supernet in its plain form: one module an edge and operation.

This is equation 2 of arXiv 1806.09055, section 2.2, as it stands, and the reference: `darts_trainer.fused_cell`
computes the same, faster, and tests and benchmarks compare the two.

Shape suffixes: b images, c channels, h height, w width, e edges of a cell, o operations.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from darts_trainer import operations
from darts_trainer.layout import NUM_INPUTS, CellPlace, cell_inputs, edge_sources


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
    """A cell: each inner node is the sum of the edges from all earlier nodes."""

    def __init__(self, primitives: Sequence[str], num_nodes: int, place: CellPlace) -> None:
        super().__init__()
        self.is_reduction = place.is_reduction
        self.inputs = nn.ModuleList(cell_inputs(place, affine=False))
        self.nodes = nn.ModuleList()
        for sources in edge_sources(num_nodes):
            strides = (2 if place.is_reduction and source < NUM_INPUTS else 1 for source in sources)
            self.nodes.append(nn.ModuleList(MixedOperation(primitives, place.channels, stride) for stride in strides))

    def forward(self, before_previous_bchw: Tensor, previous_bchw: Tensor, weight_eo: Tensor) -> Tensor:
        """Compute the concatenation of all inner nodes; ``weight_eo`` lists a node's edges by their source."""
        states = [self.inputs[0](before_previous_bchw), self.inputs[1](previous_bchw)]
        weights_by_node = weight_eo.split([len(edges) for edges in self.nodes])  # type: ignore[arg-type, no-untyped-call]
        for edges, node_weight_eo in zip(self.nodes, weights_by_node, strict=True):
            assert isinstance(edges, nn.ModuleList)
            states.append(
                _total(
                    edge(state, weight_o) for edge, state, weight_o in zip(edges, states, node_weight_eo, strict=True)
                )
            )
        return torch.cat(states[NUM_INPUTS:], dim=1)


def _total(terms: Iterable[Tensor]) -> Tensor:
    first, *others = terms
    return sum(others, start=first)
