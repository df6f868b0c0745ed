"""A pointwise convolution and the batch norm after it, for devices on which small kernels cost more than a pass.

What `darts_trainer.supernet.pointwise_norm` gets from the covariance of the input takes some sixty kernels on a few
numbers each, forward and backward. Here the convolution's output is normalised as it is; only it is not kept for the
backward pass, which computes it again.

Shape suffixes: b images, h height, w width, n = b * h * w pixels, e edges, of an edge's convolution i inputs and o
outputs, f = e * i = e * o.
"""

from typing import Any

import torch
from torch import Tensor


def normed_map(x_bfhw: Tensor, weight_eoi: Tensor, scale_f: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Map the channels of every pixel, edge by edge, and normalise by the batch.

    Args:
        x_bfhw: channels last.
        weight_eoi: of the convolution.
        scale_f: of the norm; None for 1.
        eps: of the norm.

    Returns:
        The images (B, F, H, W), and of each channel before the norm, without gradients, the mean and the inverse of the
        standard deviation.
    """
    return _NormedMap.apply(x_bfhw, weight_eoi, scale_f, eps)  # type: ignore[no-any-return]


class _NormedMap(torch.autograd.Function):
    """See `normed_map`."""

    @staticmethod
    def forward(
        ctx: Any, x_bfhw: Tensor, weight_eoi: Tensor, scale_f: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        map_ff = _beside_zeros(weight_eoi).to(x_bfhw.dtype)
        z_bfhw, mean_f, inverse_f = torch.native_batch_norm(
            _mapped(x_bfhw, map_ff.T), scale_f, None, None, None, True, 0.0, eps
        )
        ctx.save_for_backward(x_bfhw, map_ff, scale_f, mean_f, inverse_f)
        ctx.shape, ctx.eps = weight_eoi.shape, eps
        ctx.mark_non_differentiable(mean_f, inverse_f)
        return z_bfhw, mean_f, inverse_f

    @staticmethod
    def backward(ctx: Any, gradient_bfhw: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x_bfhw, map_ff, scale_f, mean_f, inverse_f = ctx.saved_tensors
        of_x, of_weight, of_scale, _ = ctx.needs_input_grad
        y_gradient_bfhw, scale_gradient_f, _ = torch.ops.aten.native_batch_norm_backward(
            gradient_bfhw.contiguous(memory_format=torch.channels_last),
            _mapped(x_bfhw, map_ff.T),
            scale_f,
            None,
            None,
            mean_f,
            inverse_f,
            True,
            ctx.eps,
            [True, of_scale, False],
        )
        y_gradient_bfhw = y_gradient_bfhw.contiguous(memory_format=torch.channels_last)
        x_gradient = _mapped(y_gradient_bfhw, map_ff) if of_x else None
        weight_gradient = None
        if of_weight:
            num_edges, outputs, inputs = ctx.shape
            all_ff = _pixels(y_gradient_bfhw).T @ _pixels(x_bfhw)
            own_oie = all_ff.view(num_edges, outputs, num_edges, inputs).diagonal(dim1=0, dim2=2)
            weight_gradient = own_oie.permute(2, 0, 1).to(mean_f.dtype)
        return x_gradient, weight_gradient, scale_gradient_f if of_scale else None, None


def _pixels(x_bfhw: Tensor) -> Tensor:
    """Channels-last images as a matrix of pixels by channels, in the same memory."""
    return x_bfhw.permute(0, 2, 3, 1).view(-1, x_bfhw.shape[1])


def _beside_zeros(weight_eoi: Tensor) -> Tensor:
    """Bring the edges' weights to one matrix (F, F): one product is faster than a small one for each edge."""
    num_edges, outputs, inputs = weight_eoi.shape
    all_eoei = weight_eoi.new_zeros(num_edges, outputs, num_edges, inputs)
    all_eoei.diagonal(dim1=0, dim2=2).copy_(weight_eoi.permute(1, 2, 0))
    return all_eoei.view(num_edges * outputs, num_edges * inputs)


def _mapped(x_bfhw: Tensor, map_fp: Tensor) -> Tensor:
    """Map the channels of every pixel."""
    y_np = _pixels(x_bfhw) @ map_fp
    return y_np.view(x_bfhw.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
