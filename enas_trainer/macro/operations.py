"""The modules of the operations.

Every convolution is followed by batch normalisation and a ReLU. Katib's trial and the micro space of ENAS put the ReLU
before the convolution instead; behind it, the chain of a network is the same, but the image, whose dark half is below
zero, is not cut off before the first layer sees it, and joined layers and the head get activations.

Legend of shapes: b images of a batch, c channels, h and w pixels.
"""

import logging
from typing import NamedTuple

from torch import nn

from enas_trainer.macro.operation_types import (
    MAX_POOLING,
    Convolution,
    DepthwiseConvolution,
    Operation,
    Reduction,
    SeparableConvolution,
)

logger = logging.getLogger(__name__)


class Shape(NamedTuple):
    """A feature map, without the batch."""

    channels: int
    height: int
    width: int


def build(operation: Operation, shape: Shape) -> tuple[nn.Module, Shape]:
    """Return the module of an operation and the shape that it makes of an input of this shape.

    Convolutions have 'same' padding: a side of h pixels becomes ceil(h / stride), whatever the kernel. A reduction
    makes ceil(h / pool_size) of it, the windows at the far edge being smaller where they must.
    """
    match operation:
        case Convolution():
            return _convolution(operation, shape)
        case SeparableConvolution():
            return _separable_convolution(operation, shape)
        case DepthwiseConvolution():
            return _depthwise_convolution(operation, shape)
        case Reduction():
            return _reduction(operation, shape)


def normalised(*convolutions: nn.Module, channels: int) -> nn.Sequential:
    """Put batch normalisation and a ReLU behind convolutions that end with this many channels."""
    return nn.Sequential(*convolutions, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _convolution(operation: Convolution, shape: Shape) -> tuple[nn.Module, Shape]:
    size, stride, channels = operation.filter_size, operation.stride, operation.num_filter
    convolution = _conv2d(shape.channels, channels, size, stride)
    return normalised(*_evened(size), convolution, channels=channels), _divided(shape, stride, channels)


def _separable_convolution(operation: SeparableConvolution, shape: Shape) -> tuple[nn.Module, Shape]:
    size, stride, channels = operation.filter_size, operation.stride, operation.num_filter
    inner = shape.channels * operation.depth_multiplier
    depthwise = _conv2d(shape.channels, inner, size, stride, groups=shape.channels)
    pointwise = _conv2d(inner, channels, 1, 1)
    return normalised(*_evened(size), depthwise, pointwise, channels=channels), _divided(shape, stride, channels)


def _depthwise_convolution(operation: DepthwiseConvolution, shape: Shape) -> tuple[nn.Module, Shape]:
    size, stride, channels = operation.filter_size, operation.stride, shape.channels * operation.depth_multiplier
    depthwise = _conv2d(shape.channels, channels, size, stride, groups=shape.channels)
    return normalised(*_evened(size), depthwise, channels=channels), _divided(shape, stride, channels)


def _reduction(operation: Reduction, shape: Shape) -> tuple[nn.Module, Shape]:
    size = operation.pool_size
    if min(shape.height, shape.width) < size:
        logger.warning(
            "a map of %d x %d pixels is too small for %s over %d x %d and passes through unchanged",
            shape.height,
            shape.width,
            operation.reduction_type,
            size,
            size,
        )
        return nn.Identity(), shape
    kind = nn.MaxPool2d if operation.reduction_type == MAX_POOLING else nn.AvgPool2d
    return kind(size, ceil_mode=True), _divided(shape, size, shape.channels)


def _conv2d(channels: int, out_channels: int, filter_size: int, stride: int, groups: int = 1) -> nn.Conv2d:
    padding = (filter_size - 1) // 2
    return nn.Conv2d(channels, out_channels, filter_size, stride, padding, groups=groups, bias=False)


def _evened(filter_size: int) -> tuple[nn.Module, ...]:
    """The row and column of zeros, at the far edges, that a kernel of even size needs on top of its padding."""
    return () if filter_size % 2 else (nn.ZeroPad2d((0, 1, 0, 1)),)


def _divided(shape: Shape, stride: int, channels: int) -> Shape:
    return Shape(channels, -(-shape.height // stride), -(-shape.width // stride))
