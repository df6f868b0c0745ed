"""The network of one trial: a child, in the words of ENAS (Pham et al., 1802.03268, section 2.3, the macro space).

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from enas_trainer.macro import operations
from enas_trainer.macro.config import Architecture, NetworkConfig
from enas_trainer.macro.operation_types import TYPES, Operation
from enas_trainer.macro.operations import Shape
from enas_trainer.sharing.shared_weights import Part, numbered
from enas_trainer.sharing.weight_bank import Weights
from trial_runtime.costs.network_cost import num_parameters
from trial_runtime.devices.precision import autocast

MAX_INPUT_CHANNELS = 256
"""Most channels that an operation reads; see `Layer`."""


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


class JoinedConvolution(nn.Module):
    """A 1x1 convolution of joined maps, whose weights lie apart for each map that it joins.

    What it learns about a map can so be kept, and used again where that map is joined with others.
    """

    def __init__(self, sources: Mapping[int, Shape], out_channels: int) -> None:
        """Make the weights, which `initialise` draws.

        Args:
            sources: shapes of the maps, by the number of their layer, in the order in which they are joined.
            out_channels: channels of the output.
        """
        super().__init__()
        self.weights = nn.ParameterDict()
        for source, shape in sources.items():  # one by one: a ParameterDict sorts what it is given as a whole
            self.weights[str(source)] = nn.Parameter(torch.empty(out_channels, shape.channels, 1, 1))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights as those of one convolution over all maps."""
        whole = nn.init.kaiming_normal_(torch.empty_like(self._weight()), nonlinearity="relu", generator=generator)
        parts = whole.split_with_sizes([weight.shape[1] for weight in self.weights.values()], dim=1)
        for weight, part in zip(self.weights.values(), parts, strict=True):
            weight.copy_(part)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (B, out channels, H, W) of the concatenated maps."""
        return functional.conv2d(x_bchw, self._weight())

    def _weight(self) -> Tensor:
        return torch.cat(list(self.weights.values()), dim=1)


class Layer(nn.Module):
    """A layer: join, projection where one is needed, then operation.

    An operation reads as many channels as the widest of the maps that feed it, at most `MAX_INPUT_CHANNELS`; where
    there are more, a 1x1 convolution brings them there, as ENAS does for every layer. So the weights of an operation
    have the same shape whatever is joined to its layer, and channels do not compound: twelve depthwise convolutions
    with multiplier 2, all joined, would end with over a million.

    Attributes:
        input_shape: what the operation reads.
        shape: of the output.
    """

    def __init__(self, operation: Operation, sources: Mapping[int, Shape]) -> None:
        """Build the layer.

        Args:
            operation: what it computes.
            sources: shapes of the maps that feed it, by the number of their layer, in the order of joining.
        """
        super().__init__()
        self.join = Join(list(sources.values()))
        channels = min(max(shape.channels for shape in sources.values()), MAX_INPUT_CHANNELS)
        self.projection: nn.Module = nn.Identity()
        if self.join.shape.channels > channels:
            self.projection = operations.normalised(JoinedConvolution(sources, channels), channels=channels)
        self.input_shape = self.join.shape._replace(channels=channels)
        self.operation, self.shape = operations.build(operation, self.input_shape)

    def forward(self, maps_bchw: Sequence[Tensor]) -> Tensor:
        """Compute the layer from the maps that feed it."""
        map_bchw: Tensor = self.operation(self.projection(self.join(maps_bchw)))
        return map_bchw


class Child(nn.Module):
    """The network that an architecture and a configuration describe, with global average pooling and a linear head."""

    def __init__(
        self, architecture: Architecture, config: NetworkConfig, generator: torch.Generator, *, precision: str = "fp32"
    ) -> None:
        """Build the network.

        Args:
            architecture: operations and joins of the layers.
            config: sizes, and the operations that the ids stand for.
            generator: on the CPU; draws the weights (He et al., 1502.01852).
            precision: that passes compute in; see `trial_runtime.devices.precision`.
        """
        super().__init__()
        layers = range(1, architecture.num_layers + 1)
        self._operations = [config.embedding[architecture.operation(layer)] for layer in layers]
        height, width, channels = config.input_sizes
        shapes = [Shape(channels, height, width)]
        self.sources = [architecture.sources(layer) for layer in layers]
        self.layers = nn.ModuleList()
        for operation, sources in zip(self._operations, self.sources, strict=True):
            layer = Layer(operation, {source: shapes[source] for source in sources})
            self.layers.append(layer)
            shapes.append(layer.shape)
        self.shapes = tuple(shapes)
        self.head = nn.Linear(shapes[-1].channels, config.num_classes)
        self._precision = precision
        initialise(self, generator)
        self.to(memory_format=torch.channels_last)  # what convolutions compute fastest in, on GPUs and CPUs

    @property
    def num_features(self) -> int:
        """Numbers of an image that the head reads."""
        return self.head.in_features

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return logits (B, K) of images (B, C, H, W)."""
        return self.training_logits(x_bchw, None)

    def training_logits(self, x_bchw: Tensor, feature_scale_bc: Tensor | None) -> Tensor:
        """Return logits (B, K) of images (B, C, H, W), of whose features some may be dropped before the head.

        Args:
            x_bchw: images.
            feature_scale_bc: what each of `num_features` of each image is multiplied by; None drops nothing.
        """
        with autocast(self._precision, x_bchw.device):
            features_bc = self._features(x_bchw)
            logits_bk: Tensor = self.head(features_bc if feature_scale_bc is None else features_bc * feature_scale_bc)
        return logits_bk if self._precision == "fp32" else logits_bk.float()

    @property
    def num_parameters(self) -> int:
        """Numbers that are trained."""
        return num_parameters(self)

    def parts(self) -> Iterator[Part]:
        """Yield all weights, as a bank holds them; see `enas_trainer.sharing.shared_weights`."""
        for number, layer in enumerate(self.layers, start=1):
            assert isinstance(layer, Layer)
            place = f"layer-{number:03d}"
            if weights := layer.operation.state_dict():
                entry = f"{place}.{_name(self._operations[number - 1])}.of-{_size(layer.input_shape)}"
                yield Part(initialise=partial(initialise, layer.operation), entries={entry: weights})
            if layer.projection.state_dict():
                sources = {source: self.shapes[source] for source in self.sources[number - 1]}
                entries = _projection(place, layer, sources)
                yield Part(initialise=partial(initialise, layer.projection), entries=entries)
        entry = f"head.of-{_size(self.shapes[-1])}"
        yield Part(initialise=partial(initialise, self.head), entries={entry: self.head.state_dict()})

    def _features(self, x_bchw: Tensor) -> Tensor:
        maps = [x_bchw.contiguous(memory_format=torch.channels_last)]
        for sources, layer in zip(self.sources, self.layers, strict=True):
            maps.append(layer([maps[source] for source in sources]))
        return maps[-1].mean(dim=(2, 3))


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of a child, or of one of its modules, anew; batch norms stay as they are.

    Args:
        network: newly built.
        generator: on the CPU.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        elif isinstance(module, JoinedConvolution):
            module.initialise(generator)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
            nn.init.normal_(module.weight, std=module.in_features**-0.5, generator=generator)


def _projection(place: str, layer: Layer, sources: Mapping[int, Shape]) -> dict[str, Weights]:
    """Return an entry for what a projection makes of each source, and one for the batch norm of all of them."""
    convolution, norm, _ = layer.projection.children()
    assert isinstance(convolution, JoinedConvolution)
    to = _size(layer.input_shape)
    return {
        f"{place}.norm-{numbered(sources)}.to-{to}": norm.state_dict(),
        **{
            f"{place}.join-{source:03d}.of-{_size(shape)}.to-{to}": {
                "weight": convolution.weights[str(source)].detach()
            }
            for source, shape in sources.items()
        },
    }


def _name(operation: Operation) -> str:
    kind = next(name for name, kind in TYPES.items() if isinstance(operation, kind))
    return ".".join([kind, *(f"{name}-{value}" for name, value in dataclasses.asdict(operation).items())])


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))
