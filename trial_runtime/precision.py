"""The type of number that a network computes in; its weights are float32 in any case."""

from contextlib import AbstractContextManager, nullcontext

import torch

PRECISIONS = ("fp32", "bf16")
"""``fp32`` computes in float32; ``bf16`` computes convolutions and matrix products in bfloat16, the rest in float32."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Return a context for forward passes on a device; backward passes follow it by themselves and stay outside."""
    assert precision in PRECISIONS, precision
    if precision == "fp32" or device.type == "meta":  # where nothing is computed
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
