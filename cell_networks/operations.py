"""The operations that the edges of a cell choose from, as in Liu et al. (arXiv 1806.09055), section 3.1.1.

Shape suffixes: b images, c channels, h height, w width.

An operation keeps the number of channels; with stride 2 it halves height and width, rounding up. Batch norms learn a
scale and a shift only where ``affine`` says so: in a search they do not, because a scale could undo an edge's weight.
"""

import math
import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from cell_networks.batch_norm import BatchNorm
from darts_genotype.primitives import NONE, PRIMITIVES, SKIP_CONNECTION

AUXILIARY_SKIP = "auxiliary_skip"
"""A second skip connection that no alpha weighs (DARTS-, arXiv 2009.01027): the same operation by another name."""

_FILTER = re.compile(r"(?P<kind>\w+)_(?P<size>\d+)x\d+")


class Zero(nn.Module):
    """The operation ``none``: no edge at all."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x_bchw: Tensor) -> Tensor:
        return torch.zeros_like(x_bchw[:, :, :: self.stride, :: self.stride])


class FactorizedReduce(nn.Module):
    """Halve height and width with two pointwise convolutions, the second over the pixels that the first leaves out.

    Each makes half of the channels; a single channel takes the first one alone. At odd sizes the second one reads a
    border of zeros, so that both round up.
    """

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool) -> None:
        super().__init__()
        shifted_channels = out_channels // 2
        self.even = nn.Conv2d(in_channels, out_channels - shifted_channels, 1, bias=False)
        self.odd = nn.Conv2d(in_channels, shifted_channels, 1, bias=False) if shifted_channels else None
        self.norm = BatchNorm(out_channels, affine=affine)

    def forward(self, x_bchw: Tensor) -> Tensor:
        x_bchw = functional.relu(x_bchw)
        # Every other pixel by a slice and not by a stride: on a CPU, with fewer than 8 channels that come last, oneDNN
        # 3.13 writes past the end of the gradients of a pointwise convolution that has one.
        even_bchw = self.even(x_bchw[:, :, ::2, ::2])
        if self.odd is None:
            return self.norm(even_bchw)  # type: ignore[no-any-return]
        odd_bchw = self.odd(functional.pad(x_bchw, (-1, 1, -1, 1))[:, :, ::2, ::2])
        return self.norm(torch.cat([even_bchw, odd_bchw], dim=1))  # type: ignore[no-any-return]


class Pooling(nn.Module):
    """A 3x3 pool, then batch norm: without it, pools would bring a scale of their own into a search's mixture."""

    def __init__(self, pool: nn.Module, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.pool = pool
        self.norm = BatchNorm(channels, affine=affine)

    def forward(self, x_bchw: Tensor) -> Tensor:
        return self.norm(self.pool(x_bchw))  # type: ignore[no-any-return]


def relu_conv_norm(in_channels: int, out_channels: int, *, affine: bool) -> nn.Module:
    """ReLU, pointwise convolution, batch norm: brings a cell's input to the cell's number of channels."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        BatchNorm(out_channels, affine=affine),
    )


def build(primitive: str, channels: int, stride: int, *, affine: bool, pools_are_normalised: bool = True) -> nn.Module:
    """Build an operation by its name in a search space.

    Args:
        primitive: an entry of `darts_genotype.primitives.PRIMITIVES`, ``none``, or `AUXILIARY_SKIP`.
        channels: channels of the input and of the output, >= 1.
        stride: 1 or 2.
        affine: whether batch norms learn a scale and a shift.
        pools_are_normalised: whether a batch norm follows a pool, as in a search.
    """
    assert primitive in (*PRIMITIVES, NONE, AUXILIARY_SKIP), primitive
    if primitive == NONE:
        return Zero(stride)
    if primitive in (SKIP_CONNECTION, AUXILIARY_SKIP):
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine=affine)
    match = _FILTER.fullmatch(primitive)
    assert match is not None, primitive
    kind, size = match["kind"], int(match["size"])
    if kind == "separable_convolution":
        return nn.Sequential(
            *_depthwise_separable(channels, size, stride, dilation=1, affine=affine),
            *_depthwise_separable(channels, size, 1, dilation=1, affine=affine),
        )
    if kind == "dilated_convolution":
        return nn.Sequential(*_depthwise_separable(channels, size, stride, dilation=2, affine=affine))
    assert kind in ("avg_pooling", "max_pooling"), kind
    pool: nn.Module = nn.MaxPool2d(size, stride, size // 2)
    if kind == "avg_pooling":
        pool = nn.AvgPool2d(size, stride, size // 2, count_include_pad=False)
    return Pooling(pool, channels, affine=affine) if pools_are_normalised else pool


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every convolution and linear layer afresh, as torch does by default, but from a given generator."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
            if layer.bias is not None:
                bound = 1 / math.sqrt(layer.weight[0].numel())
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _depthwise_separable(channels: int, size: int, stride: int, *, dilation: int, affine: bool) -> list[nn.Module]:
    padding = dilation * (size - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, size, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        BatchNorm(channels, affine=affine),
    ]
