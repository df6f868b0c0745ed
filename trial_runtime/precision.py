"""The type of number that a network computes in; its weights are float32 in any case."""

from contextlib import AbstractContextManager, nullcontext

import torch

PRECISIONS = ("fp32", "bf16")
"""``fp32`` computes in float32; ``bf16`` computes convolutions and matrix products in bfloat16, the rest in float32."""


def use_tensor_cores(device: torch.device) -> None:
    """Let matrix products on a CUDA device be computed as torch computes convolutions there unasked: from TF32.

    That is float32 with a mantissa of 10 bits; sums are still float32.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Return a context for forward passes on a device; backward passes follow it by themselves and stay outside."""
    assert precision in PRECISIONS, precision
    if precision == "fp32" or device.type == "meta":  # where nothing is computed
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
