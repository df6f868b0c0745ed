"""Batch norm (Ioffe & Szegedy, 1502.03167) that is exact in every memory format, and takes its scale with the input.

Shape suffixes: b images, c channels, h height, w width, n = b * h * w.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class BatchNorm(nn.BatchNorm2d):
    """torch's batch norm, but for two things.

    A scale may come with the input. And on a CPU, with channels last, torch's own adds up the statistics one image
    row after the other in float32: 500 times as far from float64 as with channels first, measured on the gradients of
    a supernet. Here they are added up pairwise.
    """

    def forward(self, x_bchw: Tensor, scale_c: Tensor | None = None) -> Tensor:
        """Normalise, and scale by ``scale_c`` where it is given, by the layer's own weight otherwise."""
        assert self.momentum is not None, "a moving average"
        weight_c = self.weight if scale_c is None else scale_c
        if self._is_summed_inexactly(x_bchw):
            y_bchw, mean_c, variance_c = _ChannelsLast.apply(x_bchw, weight_c, self.eps)
            if self.track_running_stats:
                self.move_statistics(mean_c, variance_c, x_bchw.numel() // x_bchw.shape[1])
            return y_bchw if self.bias is None else y_bchw + self.bias[:, None, None]  # type: ignore[no-any-return]
        running_mean_c, running_var_c = self.get_buffer("running_mean"), self.get_buffer("running_var")
        if self.training and self.track_running_stats:
            self.get_buffer("num_batches_tracked").add_(1)
        elif self.training:
            # Copies that are thrown away, and not none: a pass that `checkpoint` repeats must keep as many tensors.
            running_mean_c, running_var_c = running_mean_c.clone(), running_var_c.clone()
        return functional.batch_norm(
            x_bchw,
            running_mean_c,
            running_var_c,
            weight_c,
            self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )

    def _is_summed_inexactly(self, x_bchw: Tensor) -> bool:
        is_last = x_bchw.is_contiguous(memory_format=torch.channels_last) and not x_bchw.is_contiguous()
        is_float = x_bchw.dtype in (torch.float32, torch.float64)
        return self.training and is_float and is_last and x_bchw.device.type == "cpu"

    @torch.no_grad()
    def move_statistics(self, mean_c: Tensor, variance_c: Tensor, count: int) -> None:
        assert self.momentum is not None
        self.get_buffer("num_batches_tracked").add_(1)
        self.get_buffer("running_mean").lerp_(mean_c, self.momentum)
        self.get_buffer("running_var").lerp_(variance_c * (count / (count - 1)), self.momentum)


class _ChannelsLast(torch.autograd.Function):
    """Batch norm in training on channels-last memory; returns mean and biased variance, too."""

    @staticmethod
    def forward(ctx: Any, x_bchw: Tensor, weight_c: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        x_nc = _pixels(x_bchw)
        # About some value of each channel's own, so that a large mean does not drown the variance.
        shift_c = x_nc[0]
        shifted_nc = x_nc - shift_c
        mean_c = shifted_nc.mean(dim=0)
        variance_c = shifted_nc.square_().mean(dim=0).addcmul_(mean_c, mean_c, value=-1).clamp_min_(0)
        mean_c += shift_c
        ctx.save_for_backward(x_bchw, weight_c, mean_c, (variance_c + eps).rsqrt())
        ctx.eps = eps
        ctx.mark_non_differentiable(mean_c, variance_c)
        return functional.batch_norm(x_bchw, mean_c, variance_c, weight_c, eps=eps), mean_c, variance_c

    @staticmethod
    def backward(ctx: Any, gradient_bchw: Tensor, *_: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x_bchw, weight_c, mean_c, inverse_c = ctx.saved_tensors
        h_nc, x_nc = _pixels(gradient_bchw), _pixels(x_bchw)
        sum_c = h_nc.sum(dim=0)
        scale_gradient_c = inverse_c * ((h_nc * x_nc).sum(dim=0) - mean_c * sum_c)
        x_gradient = None
        if ctx.needs_input_grad[0]:
            gain_c = inverse_c if weight_c is None else inverse_c * weight_c
            pull_c = gain_c * inverse_c * scale_gradient_c / len(x_nc)
            shift_c = mean_c * pull_c - gain_c * sum_c / len(x_nc)
            x_gradient_nc = torch.addcmul(shift_c, h_nc, gain_c).addcmul_(x_nc, pull_c, value=-1)
            x_gradient = x_gradient_nc.view(x_bchw.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
        return x_gradient, scale_gradient_c if ctx.needs_input_grad[1] else None, None


def _pixels(x_bchw: Tensor) -> Tensor:
    """Images as a matrix of pixels by channels; a view, with channels last."""
    return x_bchw.permute(0, 2, 3, 1).flatten(end_dim=2)
