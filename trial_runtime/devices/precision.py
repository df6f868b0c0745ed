"""How exactly a device computes: the type of number, and the order of sums; weights are float32 in any case."""

from contextlib import AbstractContextManager, nullcontext

import torch

PRECISIONS = ("fp32", "bf16")
"""``fp32`` computes in float32; ``bf16`` computes convolutions and matrix products in bfloat16, the rest in float32."""


def settle(device: torch.device) -> None:
    """Settle how a CUDA device computes, in this process; elsewhere there is nothing to settle.

    Matrix products come from TF32, as torch computes convolutions there unasked: float32 with a mantissa of 10 bits,
    whose sums are still float32. And convolutions add up in the same order each time, so that equal trainings are equal
    to the bit; some of cuDNN's kernels add up in the order in which their threads arrive.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.deterministic = True


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Return a context for forward passes on a device; backward passes follow it by themselves and stay outside.

    What is exported computes in float32, as its weights are, in whatever precision it was trained.
    """
    assert precision in PRECISIONS, precision
    # On the device meta nothing is computed.
    if precision == "fp32" or device.type == "meta" or torch.compiler.is_exporting():
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
