"""The network of a genotype: the cells that a search ended with, each edge a single operation.

Shape suffixes: b images, c channels, h height, w width, k classes.
"""

import torch
from torch import Tensor, nn

from darts_trainer import operations
from darts_trainer.genotype import Genotype, GenotypeError
from darts_trainer.layout import (
    NUM_INPUTS,
    CellPlace,
    Layout,
    cell_inputs,
    cell_places,
    output_channels,
    reduction_layers,
    stem,
)


class Cell(nn.Module):
    """A cell of a genotype: each inner node is the sum of its edges."""

    def __init__(self, genotype: Genotype, place: CellPlace) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(cell_inputs(place, affine=True))
        self._nodes = genotype.reduce if place.is_reduction else genotype.normal
        self.nodes = nn.ModuleList()
        for node in self._nodes:
            strides = [2 if place.is_reduction and edge.source < NUM_INPUTS else 1 for edge in node]
            self.nodes.append(
                nn.ModuleList(
                    operations.build(edge.operation, place.channels, stride, affine=True)
                    for edge, stride in zip(node, strides, strict=True)
                )
            )

    def forward(self, before_previous_bchw: Tensor, previous_bchw: Tensor) -> Tensor:
        """Compute the concatenation of all inner nodes."""
        states = [self.inputs[0](before_previous_bchw), self.inputs[1](previous_bchw)]
        for node, modules in zip(self._nodes, self.nodes, strict=True):
            assert isinstance(modules, nn.ModuleList)
            first, second = (module(states[edge.source]) for edge, module in zip(node, modules, strict=True))
            states.append(first + second)
        return torch.cat(states[NUM_INPUTS:], dim=1)


class Network(nn.Module):
    """A stack of the cells of a genotype.

    Args:
        genotype: the cells.
        layout: size of the network; has the genotype's number of nodes.
        generator: draws the weights; on the CPU.

    Raises:
        GenotypeError: the network needs reduction cells and the genotype has none.
    """

    def __init__(self, genotype: Genotype, layout: Layout, *, generator: torch.Generator) -> None:
        super().__init__()
        assert layout.num_nodes == genotype.num_nodes, (layout, genotype)
        if reduction_layers(layout.num_layers) and not genotype.reduce:
            allowed = f"a network of {layout.num_layers} layers has reduction cells"
            raise GenotypeError("reduce", list(genotype.reduce), allowed)
        self.stem = stem(layout)
        self.cells = nn.ModuleList(Cell(genotype, place) for place in cell_places(layout))
        self.classifier = nn.Linear(output_channels(layout), layout.num_classes)
        operations.initialise(self, generator)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Compute the logits, shape (B, K), of images."""
        before_previous_bchw = previous_bchw = self.stem(x_bchw)
        for cell in self.cells:
            before_previous_bchw, previous_bchw = previous_bchw, cell(before_previous_bchw, previous_bchw)
        return self.classifier(previous_bchw.mean(dim=(2, 3)))  # type: ignore[no-any-return]
