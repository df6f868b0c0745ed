"""A pointwise convolution and its batch norm, as devices compute them that are not a CPU."""

import pytest
import torch
from torch.nn import functional

from darts_trainer.supernet.recomputed_norm import normed_map

EPS = 1e-5


def given(num_edges, channels, *, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    x_bfhw = draw(3, num_edges * channels, 4, 5)
    return x_bfhw, draw(num_edges, channels, channels), draw(num_edges * channels)


def expected(x_bfhw, weight_eoi, scale_f):
    weight_fi11 = weight_eoi.flatten(end_dim=1)[:, :, None, None]
    y_bfhw = functional.conv2d(x_bfhw, weight_fi11, groups=len(weight_eoi))
    images_bfhw = functional.batch_norm(y_bfhw, None, None, scale_f, None, training=True, eps=EPS)
    return images_bfhw, y_bfhw


@pytest.mark.parametrize("with_scale", [True, False])
@pytest.mark.parametrize(("num_edges", "channels"), [(1, 1), (3, 2), (2, 5)])
def test_images_and_gradients_are_those_of_convolution_and_norm(num_edges, channels, with_scale):
    x_bfhw, weight_eoi, scale_f = given(num_edges, channels)
    scale_f = scale_f if with_scale else None
    inputs = [tensor for tensor in (x_bfhw, weight_eoi, scale_f) if tensor is not None]

    images_bfhw, mean_f, inverse_f = normed_map(
        x_bfhw.contiguous(memory_format=torch.channels_last), weight_eoi, scale_f, EPS
    )
    theirs_bfhw, y_bfhw = expected(x_bfhw, weight_eoi, scale_f)

    torch.testing.assert_close(images_bfhw, theirs_bfhw, rtol=0, atol=1e-12)
    torch.testing.assert_close(mean_f, y_bfhw.mean(dim=(0, 2, 3)), rtol=0, atol=1e-12)
    deviation_f = (y_bfhw.var(dim=(0, 2, 3), correction=0) + EPS).sqrt()
    torch.testing.assert_close(inverse_f, 1 / deviation_f, rtol=1e-12, atol=0)
    direction_bfhw = torch.linspace(-1, 1, images_bfhw.numel(), dtype=torch.float64).view_as(images_bfhw)
    ours = torch.autograd.grad(images_bfhw, inputs, direction_bfhw)
    for gradient, theirs in zip(ours, torch.autograd.grad(theirs_bfhw, inputs, direction_bfhw), strict=True):
        torch.testing.assert_close(gradient, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_what_is_frozen_gets_no_gradient_and_changes_no_other(frozen):
    inputs = given(2, 3)
    inputs[frozen].requires_grad_(False)
    others = [tensor for tensor in inputs if tensor.requires_grad]

    images_bfhw, _, _ = normed_map(inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:], EPS)
    theirs_bfhw, _ = expected(*inputs)

    loss, their_loss = (images.square().square().sum() for images in (images_bfhw, theirs_bfhw))
    for gradient, theirs in zip(
        torch.autograd.grad(loss, others), torch.autograd.grad(their_loss, others), strict=True
    ):
        torch.testing.assert_close(gradient, theirs, rtol=1e-9, atol=1e-9)


def test_images_in_bfloat16_keep_their_type_and_weights_get_gradients_of_theirs():
    x_bfhw, weight_eoi, scale_f = given(2, 3, dtype=torch.float32)
    half_bfhw = x_bfhw.detach().bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()

    images_bfhw, _, _ = normed_map(half_bfhw, weight_eoi, scale_f, EPS)
    images_bfhw.float().square().sum().backward()

    theirs_bfhw, _ = expected(x_bfhw, weight_eoi, scale_f)
    assert images_bfhw.dtype == half_bfhw.grad.dtype == torch.bfloat16
    assert weight_eoi.grad.dtype == scale_f.grad.dtype == torch.float32
    torch.testing.assert_close(images_bfhw.float(), theirs_bfhw, rtol=0.05, atol=0.05)
