"""Depthwise convolutions in the exact forms that a CPU computes fastest.

They compute the sums that `torch.nn.functional.conv2d` does. What they avoid, measured on oneDNN with channels last:
the backward pass of a dilated convolution (five times that of a plain one), and the weight gradient of a kernel of
five columns (sixteen times that of one of three).

Shape suffixes: b images, c channels, h height, w width, k rows and columns of a kernel.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_COLUMNS = 3
"""Widest kernel whose weight gradient oneDNN computes fast."""


class DepthwiseConvolution(nn.Conv2d):
    """One filter a channel, of odd size, padded so that stride 1 keeps height and width."""

    def forward(self, x_bchw: Tensor, *, dense: bool = False) -> Tensor:
        """Convolve.

        Args:
            x_bchw: images.
            dense: they hold just the pixels that the taps of the dilated filter fall on, side by side: stride and
                dilation are already done.
        """
        stride, dilation = (1, 1) if dense else (self.stride[0], self.dilation[0])
        size = self.kernel_size[0]
        if size == 5 and dilation == 1 and x_bchw.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            return _ByColumns.apply(x_bchw, self.weight, stride)  # type: ignore[no-any-return]
        padding = dilation * (size // 2)
        return functional.conv2d(x_bchw, self.weight, None, stride, padding, dilation, self.groups)


def apart(x_bchw: Tensor) -> Tensor:
    """Part images of even height and width into four, of every other pixel: a dilation of 2 never mixes them.

    Returns:
        (4 B, C, H / 2, W / 2), channels last.
    """
    batch, channels, height, width = x_bchw.shape
    x_b2w2c = x_bchw.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    parts_bhwc = x_b2w2c.permute(2, 4, 0, 1, 3, 5).reshape(4 * batch, height // 2, width // 2, channels)
    return parts_bhwc.permute(0, 3, 1, 2)


def together(parts_bchw: Tensor) -> Tensor:
    """Undo `apart`."""
    batch, channels, height, width = parts_bchw.shape
    parts_22bhwc = parts_bchw.permute(0, 2, 3, 1).reshape(2, 2, batch // 4, height, width, channels)
    x_bhwc = parts_22bhwc.permute(2, 3, 0, 4, 1, 5).reshape(batch // 4, 2 * height, 2 * width, channels)
    return x_bhwc.permute(0, 3, 1, 2)


class _ByColumns(torch.autograd.Function):
    """A convolution of size 5 whose weight gradient is computed for the left and the right columns in turn."""

    @staticmethod
    def forward(ctx: Any, x_bchw: Tensor, weight_c1kk: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x_bchw, weight_c1kk)
        ctx.stride = stride
        return functional.conv2d(x_bchw, weight_c1kk, None, stride, padding=2, groups=len(weight_c1kk))

    @staticmethod
    def backward(ctx: Any, gradient_bchw: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x_bchw, weight_c1kk = ctx.saved_tensors
        of_x, of_weight, _ = ctx.needs_input_grad
        x_gradient = weight_gradient = None
        if of_x:
            x_gradient = _gradient(gradient_bchw, x_bchw, weight_c1kk, [2, 2], ctx.stride, of_x=True)
        if of_weight:
            padded_bchw, part_c1kk = functional.pad(x_bchw, (2, 2)), weight_c1kk[..., :_COLUMNS]
            left_c1kk, right_c1kk = (
                _gradient(gradient_bchw, side_bchw, part_c1kk, [2, 0], ctx.stride, of_x=False)
                for side_bchw in (padded_bchw[..., :-2], padded_bchw[..., 2:])
            )
            # Of the right three columns the first is the left ones' last.
            weight_gradient = torch.cat([left_c1kk, right_c1kk[..., 1:]], dim=-1)
        return x_gradient, weight_gradient, None


def _gradient(
    gradient_bchw: Tensor, x_bchw: Tensor, weight_c1kk: Tensor, padding: list[int], stride: int, *, of_x: bool
) -> Tensor:
    """The gradient of the input, or of the weight."""
    mask = [of_x, not of_x, False]
    gradients: list[Tensor] = torch.ops.aten.convolution_backward(
        gradient_bchw,
        x_bchw,
        weight_c1kk,
        None,
        [stride, stride],
        padding,
        [1, 1],
        False,
        [0, 0],
        len(weight_c1kk),
        mask,
    )
    return gradients[0 if of_x else 1]
