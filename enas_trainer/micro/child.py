"""The network of cells that a trial trains.

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes.
"""

import logging
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cell_networks.images import Network
from cell_networks.layout import Layout, final_map_size
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.micro import entries
from enas_trainer.micro.config import AUXILIARY_WEIGHT, CellNetwork
from enas_trainer.sharing.shared_weights import Part
from trial_runtime.costs.network_cost import num_parameters

STEM_MULTIPLIER = 3
"""Channels of the stem, as a multiple of those of the first cell's nodes."""

AUXILIARY_DELAY = 1
"""The second classifier reads the cell behind the second reduction cell, as in melodyguan/enas."""

MIN_MAP = 2
"""Least height and width of the maps that a second classifier reads."""

logger = logging.getLogger(__name__)


class Child(nn.Module):
    """A stack of the cells that a trial was asked for; see `cell_networks.images.Network`.

    Args:
        asked: cells and sizes.
        generator: on the CPU; draws the weights.
        precision: that passes compute in; see `trial_runtime.devices.precision`.

    Attributes:
        network: the stack.
        auxiliary_weight: of the second classifier's loss; 0 where there is none.

    Raises:
        InvalidNetwork: a second classifier was asked for, and the images are too small for it.
    """

    def __init__(self, asked: CellNetwork, generator: torch.Generator, *, precision: str = "fp32") -> None:
        super().__init__()
        self._asked = asked
        height, width, channels = asked.input_sizes
        self.auxiliary_weight = _auxiliary_weight(asked)
        self._layout = Layout(
            num_layers=asked.num_layers,
            num_nodes=asked.genotype.num_nodes,
            init_channels=asked.options.init_channels,
            stem_multiplier=STEM_MULTIPLIER,
            image_channels=channels,
            num_classes=asked.num_classes,
        )
        self.network = Network(
            asked.genotype,
            self._layout,
            generator=generator,
            auxiliary_image_size=(height, width) if self.auxiliary_weight else None,
            auxiliary_delay=AUXILIARY_DELAY,
            precision=precision,
        )
        self.to(memory_format=torch.channels_last)  # what convolutions compute fastest in, on GPUs and CPUs

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return logits (B, K) of images (B, C, H, W)."""
        logits_bk: Tensor = self.network(x_bchw)
        return logits_bk

    @property
    def num_parameters(self) -> int:
        """Numbers that are trained, without those of the second classifier, which only helps to train."""
        head = self.network.auxiliary_head
        return num_parameters(self) - (0 if head is None else num_parameters(head))

    def parts(self) -> Iterator[Part]:
        """Yield all weights, as a bank holds them; see `enas_trainer.sharing.shared_weights`."""
        height, width, _ = self._asked.input_sizes
        return entries.parts(self.network, self._asked.genotype, self._layout, (height, width))


def _auxiliary_weight(asked: CellNetwork) -> float:
    height, width, _ = asked.input_sizes
    map_size = final_map_size(asked.num_layers, (height, width))
    given = asked.options.auxiliary_weight
    if min(map_size) >= MIN_MAP or given == 0:
        return AUXILIARY_WEIGHT if given is None else given
    end = f"images of {height}x{width} end as maps of {map_size[0]}x{map_size[1]}"
    if given is None:
        logger.info("%s, too small for a second classifier: there is none", end)
        return 0.0
    allowed = f"{end}, too small for a second classifier: it must be 0, or left out"
    raise InvalidNetwork("--auxiliary-weight", given, allowed)
