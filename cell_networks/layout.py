"""How cells are stacked into a network: the same for the supernet of a search and for the network of a genotype."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from cell_networks.batch_norm import BatchNorm
from cell_networks.operations import FactorizedReduce, relu_conv_norm
from darts_genotype.genotype import NUM_INPUTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Size of a network of cells."""

    num_layers: int
    """Cells, one after the other; >= 1."""
    num_nodes: int
    """Inner nodes of a cell, >= 1."""
    init_channels: int
    """Channels of a node in the first cell; each reduction cell doubles them."""
    stem_multiplier: int
    """Channels of the stem, as a multiple of init_channels."""
    image_channels: int
    """Channels of the images."""
    num_classes: int
    """Classes to tell apart."""

    @property
    def stem_channels(self) -> int:
        """Channels that the first two cell inputs have."""
        return self.stem_multiplier * self.init_channels


@dataclass(frozen=True, kw_only=True, slots=True)
class CellPlace:
    """What a cell needs to know of where it stands."""

    channels_before_previous: int
    """Channels of node 0."""
    channels_previous: int
    """Channels of node 1."""
    channels: int
    """Channels of each node."""
    output_channels: int
    """Channels of the output, a concatenation of nodes."""
    is_reduction: bool
    """Whether the edges that leave the two inputs have stride 2."""
    follows_reduction: bool
    """Whether node 0 is twice as high and wide as node 1."""


def reduction_layers(num_layers: int) -> frozenset[int]:
    """Which layers, counted from 0, are reduction cells: those at 1/3 and 2/3 of the depth.

    The first layer never is one: so one layer has no reduction cell, and of two layers the second is one.
    """
    return frozenset({num_layers // 3, 2 * num_layers // 3} - {0})


def final_map_size(num_layers: int, image_size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of the maps after the last reduction cell: each such cell halves both, rounding up."""
    shrink = 2 ** len(reduction_layers(num_layers))
    height, width = image_size
    return math.ceil(height / shrink), math.ceil(width / shrink)


def edge_sources(num_nodes: int) -> list[tuple[int, ...]]:
    """For each inner node of a supernet's cell, the nodes that it has an edge from: all earlier ones."""
    return [tuple(range(NUM_INPUTS + node)) for node in range(num_nodes)]


def cell_places(layout: Layout, *, num_normal: int | None = None, num_reduce: int | None = None) -> Iterator[CellPlace]:
    """Where each cell of a network stands, from the stem to the classifier.

    Args:
        layout: of the network.
        num_normal: nodes that the output of a normal cell concatenates; None for as many as there are inner ones.
        num_reduce: the same of a reduction cell.
    """
    reductions = reduction_layers(layout.num_layers)
    before_previous = previous = layout.stem_channels
    channels = layout.init_channels
    follows_reduction = False
    for layer in range(layout.num_layers):
        is_reduction = layer in reductions
        if is_reduction:
            channels *= 2
        num_concatenated = (num_reduce if is_reduction else num_normal) or layout.num_nodes
        output_channels = channels * num_concatenated
        yield CellPlace(
            channels_before_previous=before_previous,
            channels_previous=previous,
            channels=channels,
            output_channels=output_channels,
            is_reduction=is_reduction,
            follows_reduction=follows_reduction,
        )
        before_previous, previous = previous, output_channels
        follows_reduction = is_reduction


def stem(layout: Layout) -> nn.Module:
    """The convolution between the images and the first cell."""
    return nn.Sequential(
        nn.Conv2d(layout.image_channels, layout.stem_channels, 3, padding=1, bias=False),
        BatchNorm(layout.stem_channels),
    )


def cell_inputs(place: CellPlace, *, affine: bool) -> tuple[nn.Module, nn.Module]:
    """The modules that bring a cell's two inputs to its number of channels and to the same height and width."""
    reach_back = FactorizedReduce if place.follows_reduction else relu_conv_norm
    return (
        reach_back(place.channels_before_previous, place.channels, affine=affine),
        relu_conv_norm(place.channels_previous, place.channels, affine=affine),
    )
