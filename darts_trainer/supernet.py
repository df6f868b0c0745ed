"""The supernet: cells in which every edge is a mixture of all operations (arXiv 1806.09055, section 2.2, equation 2).

Shape suffixes: b images, c channels, h height, w width, e edges of a cell, o operations, k classes.

This is the plain form, one module an edge and operation. It is the reference that faster forms are compared with.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from darts_trainer import operations
from darts_trainer.layout import (
    NUM_INPUTS,
    CellPlace,
    Layout,
    cell_inputs,
    cell_places,
    edge_sources,
    output_channels,
    reduction_layers,
    stem,
)

_ALPHA_SCALE = 1e-3
"""Standard deviation of the first alphas: all operations are nearly equal at the start."""


class MixedOperation(nn.Module):
    """An edge: the sum of all operations, each times its weight."""

    def __init__(self, primitives: Sequence[str], channels: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(
            operations.build(primitive, channels, stride, affine=False) for primitive in primitives
        )

    def forward(self, x_bchw: Tensor, weight_o: Tensor) -> Tensor:
        return _total(weight * operation(x_bchw) for weight, operation in zip(weight_o, self.operations, strict=True))


class SearchCell(nn.Module):
    """A cell of the supernet: each inner node is the sum of the edges from all earlier nodes."""

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


class Supernet(nn.Module):
    """A stack of cells whose operations are mixed by the softmax of alphas that all cells of a kind share.

    Args:
        layout: size of the network.
        primitives: the operations that each edge chooses from, ``none`` included.
        generator: draws weights and alphas; on the CPU.
    """

    def __init__(self, layout: Layout, primitives: Sequence[str], *, generator: torch.Generator) -> None:
        super().__init__()
        self.stem = stem(layout)
        self.cells = nn.ModuleList(SearchCell(primitives, layout.num_nodes, place) for place in cell_places(layout))
        self.classifier = nn.Linear(output_channels(layout), layout.num_classes)
        operations.initialise(self, generator)
        num_edges = sum(len(sources) for sources in edge_sources(layout.num_nodes))
        kinds = ["normal", "reduce"] if reduction_layers(layout.num_layers) else ["normal"]
        self.alphas_by_kind = nn.ParameterDict(
            {kind: _ALPHA_SCALE * torch.randn(num_edges, len(primitives), generator=generator) for kind in kinds}
        )

    @property
    def alpha_normal_eo(self) -> Tensor:
        """Alphas of the normal cells; edges node by node, sources ascending."""
        alpha_eo: Tensor = self.alphas_by_kind["normal"]
        return alpha_eo

    @property
    def alpha_reduce_eo(self) -> Tensor | None:
        """Alphas of the reduction cells; None where there are none."""
        alpha_eo: Tensor | None = self.alphas_by_kind.get("reduce")
        return alpha_eo

    def mixtures(self) -> tuple[Tensor, Tensor | None]:
        """Weights of the operations on each edge of the normal and of the reduction cells: softmax of the alphas."""
        reduce_eo = self.alpha_reduce_eo
        return self.alpha_normal_eo.softmax(dim=-1), None if reduce_eo is None else reduce_eo.softmax(dim=-1)

    def alphas(self) -> list[nn.Parameter]:
        """The parameters that say which operation counts how much."""
        return list(self.alphas_by_kind.parameters())

    def weights(self) -> list[nn.Parameter]:
        """All other parameters: those of the operations, the stem and the classifier."""
        alphas = {id(alpha) for alpha in self.alphas()}
        return [parameter for parameter in self.parameters() if id(parameter) not in alphas]

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Compute the logits, shape (B, K), of images."""
        normal_eo, reduce_eo = self.mixtures()
        before_previous_bchw = previous_bchw = self.stem(x_bchw)
        for cell in self.cells:
            weight_eo = reduce_eo if cell.is_reduction else normal_eo
            before_previous_bchw, previous_bchw = (
                previous_bchw,
                cell(before_previous_bchw, previous_bchw, weight_eo),
            )
        return self.classifier(previous_bchw.mean(dim=(2, 3)))  # type: ignore[no-any-return]


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Within, a network in training mode normalises by its batch but leaves every running statistic alone.

    For passes at displaced weights, whose statistics describe no network that anyone will use.
    """
    norms = [
        module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.track_running_stats
    ]
    try:
        for norm in norms:
            norm.track_running_stats = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _total(terms: Iterable[Tensor]) -> Tensor:
    first, *others = terms
    return sum(others, start=first)
