"""Our batch norm against torch's own in float64."""

import copy

import pytest
import torch
from torch import nn

from cell_networks.batch_norm import BatchNorm

FORMATS = (torch.contiguous_format, torch.channels_last)


def images(dtype, *, mean=0.0):
    x_bchw = mean + torch.randn(8, 5, 9, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x_bchw.to(dtype)


def run(norm, x_bchw, *scale):
    x_bchw = x_bchw.detach().requires_grad_()
    y_bchw = norm(x_bchw, *scale)
    weights = torch.linspace(-1, 1, y_bchw.numel(), dtype=y_bchw.dtype).reshape(y_bchw.shape)
    learned = [one for one in (*norm.parameters(), *scale) if one.requires_grad]
    return y_bchw, torch.autograd.grad((y_bchw * weights).sum(), [x_bchw, *learned])


def as_torch(norm, scale=None):
    theirs = nn.BatchNorm2d(norm.num_features, affine=norm.affine or scale is not None).double()
    theirs.load_state_dict(norm.double().state_dict(), strict=False)
    if scale is not None:
        theirs.weight.data = scale.detach()
        theirs.bias.requires_grad_(False)
    return theirs


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_it_is_torchs(memory_format, affine, training):
    ours = BatchNorm(5, affine=affine).double()
    if affine:
        nn.init.uniform_(ours.weight), nn.init.uniform_(ours.bias)
    theirs = as_torch(ours)
    x_bchw = images(torch.float64, mean=3.0)
    ours.train(training), theirs.train(training)
    for _ in range(3):
        y, gradients = run(ours, x_bchw.contiguous(memory_format=memory_format))
        expected, expected_gradients = run(theirs, x_bchw)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    for name, buffer in ours.named_buffers():
        torch.testing.assert_close(buffer, theirs.get_buffer(name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_a_scale_may_come_with_the_input(memory_format):
    ours = BatchNorm(5, affine=False).double()
    scale_c = torch.linspace(-0.5, 2, 5, dtype=torch.float64, requires_grad=True)
    theirs = as_torch(ours, scale_c)
    x_bchw = images(torch.float64)
    y, gradients = run(ours, x_bchw.contiguous(memory_format=memory_format), scale_c)
    expected, expected_gradients = run(theirs, x_bchw)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_float32_with_channels_last_is_nearly_as_exact_as_with_channels_first():
    x_bchw = 3 + torch.randn(64, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    exact, _ = run(nn.BatchNorm2d(16).double(), x_bchw.double())
    last_bchw = x_bchw.contiguous(memory_format=torch.channels_last)
    first, last, theirs = (
        float((run(norm, images_bchw)[0] - exact).norm().detach())
        for norm, images_bchw in ((BatchNorm(16), x_bchw), (BatchNorm(16), last_bchw), (nn.BatchNorm2d(16), last_bchw))
    )
    assert last < 5 * first
    assert last < theirs / 2


@pytest.mark.parametrize("memory_format", FORMATS)
def test_a_channel_without_spread_is_no_reason_for_nan(memory_format):
    y, (gradient,) = run(
        BatchNorm(5, affine=False), torch.full((4, 5, 2, 2), 1e4).contiguous(memory_format=memory_format)
    )
    assert y.abs().max() < 1
    assert gradient.isfinite().all()


@pytest.mark.parametrize("memory_format", FORMATS)
def test_statistics_that_are_not_tracked_stay(memory_format):
    norm = BatchNorm(5)
    before = copy.deepcopy(norm.state_dict())
    norm.track_running_stats = False
    norm(images(torch.float32).contiguous(memory_format=memory_format))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
