"""The operations of a macro search space, with their parameters, as the wire names them (contract, section 5)."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from enas_trainer.architecture import fields
from katib_suggestion.parsing.assignment import JSON

MAX_POOLING = "max_pooling"
AVG_POOLING = "avg_pooling"


@dataclass(frozen=True, kw_only=True, slots=True)
class Convolution:
    """A convolution over all channels."""

    filter_size: int
    """Height and width of the kernel, in pixels."""
    num_filter: int
    """Channels of the output."""
    stride: int
    """Pixels from one place of the kernel to the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparableConvolution:
    """A depthwise convolution, then a pointwise one (Chollet, 1610.02357)."""

    filter_size: int
    """Height and width of the depthwise kernel, in pixels."""
    num_filter: int
    """Channels of the output."""
    stride: int
    """Pixels from one place of the depthwise kernel to the next."""
    depth_multiplier: int
    """Depthwise kernels of each input channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthwiseConvolution:
    """A convolution of each channel by itself; the output has depth_multiplier channels for each of the input."""

    filter_size: int
    """Height and width of the kernel, in pixels."""
    stride: int
    """Pixels from one place of the kernel to the next."""
    depth_multiplier: int
    """Kernels of each input channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reduction:
    """Pooling over windows that do not overlap."""

    reduction_type: str
    """`MAX_POOLING` or `AVG_POOLING`."""
    pool_size: int
    """Height, width and stride of the window, in pixels."""


Operation: TypeAlias = Convolution | SeparableConvolution | DepthwiseConvolution | Reduction

TYPES: Mapping[str, type[Operation]] = MappingProxyType(
    {
        "convolution": Convolution,
        "separable_convolution": SeparableConvolution,
        "depthwise_convolution": DepthwiseConvolution,
        "reduction": Reduction,
    }
)
"""Every type that there is, by its name on the wire; its parameters have the names of the fields."""


def name_of(operation: Operation) -> str:
    """Return the name of an operation's type on the wire."""
    return next(name for name, kind in TYPES.items() if isinstance(operation, kind))


def read(opt_type: JSON, opt_params: JSON, where: str) -> Operation:
    """Read an operation from its type and parameters.

    Args:
        opt_type: a name in `TYPES`.
        opt_params: exactly the parameters of the type; a number may be text.
        where: the place of the entry, for errors.

    Raises:
        InvalidNetwork: the type is unknown, or a parameter is missing, unknown or not what it takes.
    """
    kind = TYPES[fields.choice(opt_type, f"{where}.opt_type", TYPES)]
    names = [field.name for field in dataclasses.fields(kind)]
    place = f"{where}.opt_params"
    values = fields.mapping(opt_params, place, names)
    return kind(**{name: _parameter(name, values[name], f"{place}.{name}") for name in names})  # type: ignore[arg-type]


def _parameter(name: str, value: JSON, where: str) -> str | int:
    if name == "reduction_type":
        return fields.choice(value, where, (MAX_POOLING, AVG_POOLING))
    return fields.integer(value, where)
