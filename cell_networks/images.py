"""The network of a genotype: the cells that a search ended with, each edge a single operation.

Shape suffixes: b images, c channels, h height, w width, k classes, p paths, f features of the classifier.

A path is an edge that can be dropped while the network learns: every one but identities (drop path, Larsson et al.,
arXiv 1605.07648, as in Zoph et al., 1707.07012).
"""

from itertools import repeat

import torch
from torch import Tensor, nn

from cell_networks import operations
from cell_networks.auxiliary_head import AuxiliaryHead
from cell_networks.layout import (
    CellPlace,
    Layout,
    cell_inputs,
    cell_places,
    final_map_size,
    reduction_layers,
    stem,
)
from darts_genotype.genotype import NUM_INPUTS, Genotype, GenotypeError
from darts_genotype.primitives import SKIP_CONNECTION
from trial_runtime.devices.precision import autocast


class Cell(nn.Module):
    """A cell of a genotype: each inner node is the sum of its edges."""

    def __init__(self, genotype: Genotype, place: CellPlace) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(cell_inputs(place, affine=True))
        self._nodes = genotype.reduce if place.is_reduction else genotype.normal
        self._concat = genotype.reduce_concat if place.is_reduction else genotype.normal_concat
        self.nodes = nn.ModuleList()
        for node in self._nodes:
            strides = [2 if place.is_reduction and edge.source < NUM_INPUTS else 1 for edge in node]
            self.nodes.append(
                nn.ModuleList(
                    operations.build(edge.operation, place.channels, stride, affine=True, pools_are_normalised=False)
                    for edge, stride in zip(node, strides, strict=True)
                )
            )

        # An input that the output concatenates has to come to the size of the others.
        self.concatenated_inputs = nn.ModuleDict(
            {
                str(node): operations.build(SKIP_CONNECTION, place.channels, 2, affine=True)
                for node in self._concat
                if node < NUM_INPUTS and place.is_reduction
            }
        )

    @property
    def num_paths(self) -> int:
        """Edges that can be dropped."""
        return sum(_is_path(operation) for node in self.nodes for operation in node.children())

    def forward(
        self, before_previous_bchw: Tensor, previous_bchw: Tensor, path_scale_pb: Tensor | None = None
    ) -> Tensor:
        """Compute the concatenation of the cell's output, each path scaled by its row where scales are given."""
        scales = repeat(None) if path_scale_pb is None else iter(path_scale_pb[:, :, None, None, None])
        states = [self.inputs[0](before_previous_bchw), self.inputs[1](previous_bchw)]
        for node, modules in zip(self._nodes, self.nodes, strict=True):
            assert isinstance(modules, nn.ModuleList)
            terms = []
            for edge, operation in zip(node, modules, strict=True):
                term = operation(states[edge.source])
                scale = next(scales) if _is_path(operation) else None
                # The product of bfloat16 with a scale of float32 is float32, and would make all that follows so.
                terms.append(term if scale is None else (term * scale).to(term.dtype))
            first, second = terms
            states.append(first + second)
        return torch.cat([self._concatenated(node, states[node]) for node in self._concat], dim=1)

    def _concatenated(self, node: int, state_bchw: Tensor) -> Tensor:
        name = str(node)
        return self.concatenated_inputs[name](state_bchw) if name in self.concatenated_inputs else state_bchw


class Network(nn.Module):
    """A stack of the cells of a genotype.

    Args:
        genotype: the cells.
        layout: size of the network; has the genotype's number of nodes.
        generator: draws the weights; on the CPU.
        auxiliary_image_size: (H, W) of the images where a second classifier after the cell at 2/3 of the depth helps to
            train the cells before it; None for a network without.
        auxiliary_delay: how many cells behind that one the second classifier reads, if there are so many: none in
            DARTS, one in ENAS.
        precision: that the passes compute in; see `trial_runtime.devices.precision`.

    Attributes:
        auxiliary_layer: the cell, counted from 0, that a second classifier reads.

    Raises:
        GenotypeError: the network needs reduction cells and the genotype has none.
    """

    def __init__(
        self,
        genotype: Genotype,
        layout: Layout,
        *,
        generator: torch.Generator,
        auxiliary_image_size: tuple[int, int] | None = None,
        auxiliary_delay: int = 0,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self._precision = precision
        assert layout.num_nodes == genotype.num_nodes, (layout, genotype)
        if reduction_layers(layout.num_layers) and not genotype.reduce:
            allowed = f"a network of {layout.num_layers} layers has reduction cells"
            raise GenotypeError("reduce", list(genotype.reduce), allowed)
        self.stem = stem(layout)
        widths = {"num_normal": len(genotype.normal_concat), "num_reduce": len(genotype.reduce_concat)}
        places = list(cell_places(layout, **widths))
        self.cells = nn.ModuleList(Cell(genotype, place) for place in places)
        self.classifier = nn.Linear(places[-1].output_channels, layout.num_classes)
        self.auxiliary_layer = min(2 * layout.num_layers // 3 + auxiliary_delay, layout.num_layers - 1)
        self.auxiliary_head = None
        if auxiliary_image_size is not None:
            width = places[self.auxiliary_layer].output_channels
            map_size = final_map_size(layout.num_layers, auxiliary_image_size)
            self.auxiliary_head = AuxiliaryHead(width, map_size, layout.num_classes)
        operations.initialise(self, generator)

    @property
    def num_paths(self) -> int:
        """Edges of all cells that can be dropped."""
        return sum(self._paths_of_cells())

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Compute the logits, shape (B, K), of images."""
        with autocast(self._precision, x_bchw.device):
            logits_bk, _ = self._logits(x_bchw, None)
        return logits_bk.float() if self._precision == "bf16" else logits_bk

    def path_depths(self) -> Tensor:
        """Return how deep each path lies, (P,): the number of its cell, counted from 1, as a share of all."""
        return torch.tensor(
            [(layer + 1) / len(self.cells) for layer, count in enumerate(self._paths_of_cells()) for _ in range(count)]
        )

    def training_logits(
        self, x_bchw: Tensor, path_scale_pb: Tensor | None, feature_scale_bf: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute the logits of both classifiers, each (B, K), on paths of which some may be dropped.

        Args:
            x_bchw: images.
            path_scale_pb: what each path of each image is multiplied by, see `drop_paths`; None drops nothing.
            feature_scale_bf: what each number that the first classifier reads is multiplied by; None drops nothing.

        Returns:
            The logits, and those of the second classifier: None without one.
        """
        with autocast(self._precision, x_bchw.device):
            logits_bk, auxiliary_bchw = self._logits(x_bchw, path_scale_pb, feature_scale_bf)
            auxiliary_bk = None if self.auxiliary_head is None else self.auxiliary_head(auxiliary_bchw)
        if self._precision == "bf16":
            return logits_bk.float(), None if auxiliary_bk is None else auxiliary_bk.float()
        return logits_bk, auxiliary_bk

    def _logits(
        self, x_bchw: Tensor, path_scale_pb: Tensor | None, feature_scale_bf: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits, and the maps that a second classifier reads."""
        scales: list[Tensor | None] = [None] * len(self.cells)
        if path_scale_pb is not None:
            scales = list(path_scale_pb.split_with_sizes(self._paths_of_cells()))
        before_previous_bchw = previous_bchw = auxiliary_bchw = self.stem(x_bchw)
        for layer, (cell, scale_pb) in enumerate(zip(self.cells, scales, strict=True)):
            before_previous_bchw, previous_bchw = previous_bchw, cell(before_previous_bchw, previous_bchw, scale_pb)
            if layer == self.auxiliary_layer:
                auxiliary_bchw = previous_bchw
        features_bf = previous_bchw.mean(dim=(2, 3))
        if feature_scale_bf is not None:
            features_bf = features_bf * feature_scale_bf
        return self.classifier(features_bf), auxiliary_bchw

    def _paths_of_cells(self) -> list[int]:
        return [cell.num_paths for cell in self.cells if isinstance(cell, Cell)]


def drop_paths(num_paths: int, num_images: int, probability: float | Tensor, generator: torch.Generator) -> Tensor:
    """Draw what each path of each image is multiplied by, (P, B): 0 with a probability, else what makes the mean 1.

    Args:
        num_paths: of the network.
        num_images: of the batch.
        probability: of a path to be dropped, from 0 to below 1; of each its own, (P, 1), where it is a tensor.
        generator: on the CPU, where the result is, too.
    """
    assert ((torch.as_tensor(probability) >= 0) & (torch.as_tensor(probability) < 1)).all(), probability
    is_kept_pb = torch.rand(num_paths, num_images, generator=generator) >= probability
    return is_kept_pb / (1 - probability)


def _is_path(operation: nn.Module) -> bool:
    return not isinstance(operation, nn.Identity)
