"""What the ids of operations mean in the macro networks that the ENAS authors' code has, melodyguan/enas."""

from types import MappingProxyType

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

_OPERATIONS: tuple[Operation, ...] = (
    Convolution(filter_size=3, num_filter=NUM_FILTERS, stride=1),
    SeparableConvolution(filter_size=3, num_filter=NUM_FILTERS, stride=1, depth_multiplier=1),
    Convolution(filter_size=5, num_filter=NUM_FILTERS, stride=1),
    SeparableConvolution(filter_size=5, num_filter=NUM_FILTERS, stride=1, depth_multiplier=1),
    Reduction(reduction_type=AVG_POOLING, pool_size=3),
    Reduction(reduction_type=MAX_POOLING, pool_size=3),
)
"""By their ids there; pooling has stride 1 there."""


def network(num_layers: int) -> NetworkConfig:
    """Return what the ids of such an architecture mean, for images of CIFAR-10."""
    return NetworkConfig(
        num_layers=num_layers,
        input_sizes=(32, 32, 3),
        output_sizes=(10,),
        embedding=MappingProxyType(dict(enumerate(_OPERATIONS))),
    )
