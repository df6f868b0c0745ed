"""The fast forms against torch's own convolution, in float64."""

import pytest
import torch
from torch.nn import functional

from darts_trainer.supernet.depthwise import DepthwiseConvolution, apart, together


def gradients(output, *inputs):
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=output.dtype)
    return torch.autograd.grad((output * weights).sum(), inputs)


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("shape", [(8, 6), (7, 6), (6, 7), (9, 9), (4, 4), (2, 2), (3, 1)])
def test_output_and_gradients_are_those_of_torch(size, stride, dilation, shape):
    padding = dilation * (size // 2)
    convolution = DepthwiseConvolution(6, 6, size, stride, padding, dilation, groups=6, bias=False).double()
    x_bchw = torch.randn(3, 6, *shape, dtype=torch.float64, requires_grad=True)
    ours = convolution(x_bchw)
    theirs = functional.conv2d(x_bchw, convolution.weight, None, stride, padding, dilation, 6)
    assert torch.equal(ours, theirs)
    for one, other in zip(
        gradients(ours, x_bchw, convolution.weight), gradients(theirs, x_bchw, convolution.weight), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_dilated_filter_sees_every_other_pixel(size):
    x_bchw = torch.randn(2, 4, 8, 6, dtype=torch.float64)
    dilated = DepthwiseConvolution(4, 4, size, 1, 2 * (size // 2), 2, groups=4, bias=False).double()
    torch.testing.assert_close(together(dilated(apart(x_bchw), dense=True)), dilated(x_bchw))
    halving = DepthwiseConvolution(4, 4, size, 2, 2 * (size // 2), 2, groups=4, bias=False).double()
    torch.testing.assert_close(halving(x_bchw[:, :, ::2, ::2], dense=True), halving(x_bchw))


def test_parting_images_can_be_undone():
    x_bchw = torch.randn(2, 3, 4, 6)
    assert apart(x_bchw).shape == (8, 3, 2, 3)
    assert torch.equal(together(apart(x_bchw)), x_bchw)


def test_only_the_gradients_that_are_needed_are_computed():
    convolution = DepthwiseConvolution(4, 4, 5, padding=2, groups=4, bias=False).requires_grad_(False)
    x_bchw = torch.randn(2, 4, 8, 6, requires_grad=True)
    convolution(x_bchw).sum().backward()
    assert convolution.weight.grad is None
    assert x_bchw.grad is not None
