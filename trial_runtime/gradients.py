"""What is done with gradients that a trainer has computed itself, before and as an optimiser steps along them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def clipped(gradients: Sequence[Tensor], max_norm: float) -> Sequence[Tensor]:
    """Shorten gradients to a norm, that of all together; 0 leaves them as they are."""
    return gradients if max_norm == 0 else torch._foreach_mul(tuple(gradients), shortening(gradients, max_norm))


def shortening(gradients: Sequence[Tensor], max_norm: float) -> Tensor:
    """Return the factor, 1 at most, that brings gradients to a norm, that of all together."""
    # The small number is that of torch.nn.utils.clip_grad_norm_.
    return (max_norm / (nn.utils.get_total_norm(gradients) + 1e-6)).clamp_max(1)


def apply_gradients(
    optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor]
) -> None:
    """Let an optimiser step along gradients; none is left behind."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
