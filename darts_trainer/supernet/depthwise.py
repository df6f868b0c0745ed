"""Depthwise convolutions in the exact forms that a CPU computes fastest.

They compute the sums that `torch.nn.functional.conv2d` does. What they avoid, measured on oneDNN with channels last:
the backward pass of a dilated convolution (five times that of a plain one), and the weight gradient of a kernel of
five columns (sixteen times that of one of three).

Shape suffixes: b images, c channels, h height, w width, k rows and columns of a kernel.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_SIZE = 5
"""Of the kernels whose weight gradient oneDNN computes slowly: it is fast up to three columns."""


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
        if size == _SIZE and dilation == 1 and _is_best_by_pairs(x_bchw):
            return _ByPairs.apply(x_bchw, self.weight, stride)  # type: ignore[no-any-return]
        padding = dilation * (size // 2)
        return functional.conv2d(x_bchw, self.weight, None, stride, padding, dilation, self.groups)


def _is_best_by_pairs(x_bchw: Tensor) -> bool:
    is_even = x_bchw.shape[3] % 2 == 0
    return is_even and x_bchw.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


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


class _ByPairs(torch.autograd.Function):
    """A convolution of size 5, its weight gradient by kernels of three columns, over pixels and over pairs of them.

    With channels last, two neighbours in a row are one pixel of twice the channels, in the same memory. To a pixel, the
    columns of the kernel are -2 to 2 away: three columns over pixels are -1 to 1, and over pairs -2, 0 and 2. At stride
    2 both of a pair belong to one pixel of the output, and three columns over pairs are -2 to 3.
    """

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
        gradient_bchw = gradient_bchw.contiguous(memory_format=torch.channels_last)
        if of_x:
            x_gradient = _gradient(gradient_bchw, x_bchw, weight_c1kk, (2, 2), (ctx.stride, ctx.stride), of_x=True)
        if of_weight:
            weight_gradient = _weight_gradient(gradient_bchw, x_bchw, ctx.stride)
        return x_gradient, weight_gradient, None


def _weight_gradient(gradient_bchw: Tensor, x_bchw: Tensor, stride: int) -> Tensor:
    channels, height = x_bchw.shape[1:3]
    by_pair = 2, channels, 1, _SIZE, 3
    if stride == 2:
        both_bchw = torch.cat([gradient_bchw, gradient_bchw], dim=1)
        pairs_2c1kk = _by_three_columns(both_bchw, _pairs(x_bchw), stride).view(by_pair)
        return pairs_2c1kk.movedim(0, -1).flatten(-2)[..., :_SIZE]
    if height < _SIZE:
        # oneDNN is twenty times slower for images of fewer rows than the kernel has.
        rows = 0, 0, 0, _SIZE - height
        gradient_bchw, x_bchw = functional.pad(gradient_bchw, rows), functional.pad(x_bchw, rows)
    near_c1kk = _by_three_columns(gradient_bchw, x_bchw, stride)
    far_c1kk = _by_three_columns(_pairs(gradient_bchw), _pairs(x_bchw), stride).view(by_pair).sum(dim=0)
    return torch.cat([far_c1kk[..., :1], near_c1kk, far_c1kk[..., 2:]], dim=-1)


def _pairs(x_bchw: Tensor) -> Tensor:
    """Images of half the width and twice the channels: pixels 2 w and 2 w + 1 side by side."""
    batch, channels, height, width = x_bchw.shape
    x_bhwc = x_bchw.permute(0, 2, 3, 1)
    return x_bhwc.reshape(batch, height, width // 2, 2 * channels).permute(0, 3, 1, 2)


def _by_three_columns(gradient_bchw: Tensor, x_bchw: Tensor, row_stride: int) -> Tensor:
    """The gradient of a kernel of five rows and three columns, which moves by one column."""
    weight_c1kk = x_bchw.new_empty(x_bchw.shape[1], 1, _SIZE, 3)
    return _gradient(gradient_bchw, x_bchw, weight_c1kk, (2, 1), (row_stride, 1), of_x=False)


def _gradient(
    gradient_bchw: Tensor,
    x_bchw: Tensor,
    weight_c1kk: Tensor,
    padding: Sequence[int],
    stride: Sequence[int],
    *,
    of_x: bool,
) -> Tensor:
    """The gradient of the input, or of the weight."""
    gradients: list[Tensor] = torch.ops.aten.convolution_backward(
        gradient_bchw,
        x_bchw,
        weight_c1kk,
        None,
        stride,
        padding,
        [1, 1],
        False,
        [0, 0],
        len(weight_c1kk),
        [of_x, not of_x, False],
    )
    return gradients[0 if of_x else 1]
