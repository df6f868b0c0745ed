"""The activation functions of a recurrent cell's nodes, by their names in search spaces and genotypes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor


def _identity(x: Tensor) -> Tensor:
    return x


FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": _identity}
)
"""One for each name of `darts_genotype.activations.ACTIVATIONS`."""
