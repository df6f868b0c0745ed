"""Macro architectures as the ENAS authors' code writes them, ``fixed_arc`` of melodyguan/enas.

One line of whole numbers: of each layer the id of its operation, then a bit for each earlier output, the stem's first.
That the layer before feeds a layer is no bit, so that the numbers are those of Katib's rows, one after the other.
"""

import re
from types import MappingProxyType

from enas_trainer.fields import InvalidNetwork
from enas_trainer.macro.config import NetworkConfig
from enas_trainer.macro.operation_types import (
    AVG_POOLING,
    MAX_POOLING,
    Convolution,
    Operation,
    Reduction,
    SeparableConvolution,
)

NUM_FILTERS = 36
"""Channels of every layer in the search that is published there; the text does not say."""

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?\w*fixed_arc=["']?(?:\$\{?\w*fixed_arc\}?)?([\d \t]*)["']?[ \t]*$""", re.M
)
_NUMBERS = re.compile(r"\s*\d{1,9}(?:[\s,]+\d{1,9})*\s*", re.ASCII)
_MAX_LAYERS = 1_000

_OPERATIONS: tuple[Operation, ...] = (
    Convolution(filter_size=3, num_filter=NUM_FILTERS, stride=1),
    SeparableConvolution(filter_size=3, num_filter=NUM_FILTERS, stride=1, depth_multiplier=1),
    Convolution(filter_size=5, num_filter=NUM_FILTERS, stride=1),
    SeparableConvolution(filter_size=5, num_filter=NUM_FILTERS, stride=1, depth_multiplier=1),
    Reduction(reduction_type=AVG_POOLING, pool_size=3),
    Reduction(reduction_type=MAX_POOLING, pool_size=3),
)
"""By their ids there; pooling has stride 1 there."""


def is_one(text: str) -> bool:
    """Tell whether a text is such a line, or a script of the shell that makes one."""
    return _NUMBERS.fullmatch(text) is not None or _LINE.search(text) is not None


def rows(text: str) -> list[list[int]]:
    """Return the rows of an architecture.

    Raises:
        InvalidNetwork: there are not as many numbers as a macro network with whole channels has.
    """
    if not _NUMBERS.fullmatch(text):
        text = " ".join(_LINE.findall(text))
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    found: list[list[int]] = []
    start = 0
    while start < len(numbers) and len(found) < _MAX_LAYERS:
        found.append(numbers[start : start + len(found) + 1])
        start += len(found)
    if start != len(numbers) or not numbers:
        allowed = "layer l of a macro network has l numbers, an operation and bits: 1, 3, 6, 10 … in all"
        raise InvalidNetwork("architecture", f"{len(numbers)} numbers", allowed)
    return found


def network(num_layers: int) -> NetworkConfig:
    """Return what the ids of such an architecture mean, for images of CIFAR-10."""
    return NetworkConfig(
        num_layers=num_layers,
        input_sizes=(32, 32, 3),
        output_sizes=(10,),
        embedding=MappingProxyType(dict(enumerate(_OPERATIONS))),
    )
