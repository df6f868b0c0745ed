"""The network of one trial: a child, in the words of ENAS (Pham et al., 1802.03268, section 2.3, the macro space).

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from enas_trainer import operations
from enas_trainer.config import Architecture, NetworkConfig
from enas_trainer.operation_types import DepthwiseConvolution, Operation, Reduction
from enas_trainer.operations import Shape

MAX_FOLLOWED_CHANNELS = 256
"""Most input channels of an operation whose output channels follow them; see `Layer`."""


class Join(nn.Module):
    """Brings maps of different sizes together: each is averaged down to the smallest, then channels are concatenated.

    Adaptive average pooling has no weights and takes sizes that do not divide each other.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.shape = Shape(
            channels=sum(shape.channels for shape in shapes),
            height=min(shape.height for shape in shapes),
            width=min(shape.width for shape in shapes),
        )

    def forward(self, maps_bchw: Sequence[Tensor]) -> Tensor:
        """Return (B, sum of the channels, smallest height, smallest width)."""
        size = (self.shape.height, self.shape.width)
        sized = [x if x.shape[2:] == size else functional.adaptive_avg_pool2d(x, size) for x in maps_bchw]
        return sized[0] if len(sized) == 1 else torch.cat(sized, dim=1)


class Layer(nn.Module):
    """A layer: join, then operation.

    A depthwise convolution and a reduction have no number of filters: their output has the channels of their input, or
    a multiple. With joined layers that compounds: twelve depthwise convolutions with multiplier 2, all joined, would
    end with over a million channels. So where their input is wider than `MAX_FOLLOWED_CHANNELS`, a 1x1 convolution
    narrows it first, as ENAS does for every layer. All else is built as the architecture says.
    """

    def __init__(self, operation: Operation, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.join = Join(shapes)
        shape = self.join.shape
        self.narrow: nn.Module = nn.Identity()
        if isinstance(operation, DepthwiseConvolution | Reduction) and shape.channels > MAX_FOLLOWED_CHANNELS:
            convolution = nn.Conv2d(shape.channels, MAX_FOLLOWED_CHANNELS, 1, bias=False)
            self.narrow = operations.normalised(convolution, channels=MAX_FOLLOWED_CHANNELS)
            shape = shape._replace(channels=MAX_FOLLOWED_CHANNELS)
        self.operation, self.shape = operations.build(operation, shape)

    def forward(self, maps_bchw: Sequence[Tensor]) -> Tensor:
        """Compute the layer from the maps that feed it."""
        map_bchw: Tensor = self.operation(self.narrow(self.join(maps_bchw)))
        return map_bchw


class Child(nn.Module):
    """The network that an architecture and a configuration describe, with global average pooling and a linear head."""

    def __init__(self, architecture: Architecture, config: NetworkConfig, generator: torch.Generator) -> None:
        """Build the network.

        Args:
            architecture: operations and joins of the layers.
            config: sizes, and the operations that the ids stand for.
            generator: on the CPU; draws the weights (He et al., 1502.01852).
        """
        super().__init__()
        height, width, channels = config.input_sizes
        shapes = [Shape(channels, height, width)]
        self.sources = [architecture.sources(layer) for layer in range(1, architecture.num_layers + 1)]
        self.layers = nn.ModuleList()
        for number, sources in enumerate(self.sources, start=1):
            operation = config.embedding[architecture.operation(number)]
            layer = Layer(operation, [shapes[source] for source in sources])
            self.layers.append(layer)
            shapes.append(layer.shape)
        self.shapes = tuple(shapes)
        self.head = nn.Linear(shapes[-1].channels, config.num_classes)
        self._initialise(generator)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return logits (B, K) of images (B, C, H, W)."""
        maps = [x_bchw]
        for sources, layer in zip(self.sources, self.layers, strict=True):
            maps.append(layer([maps[source] for source in sources]))
        logits_bk: Tensor = self.head(maps[-1].mean(dim=(2, 3)))
        return logits_bk

    def _initialise(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=self.head.in_features**-0.5, generator=generator)
