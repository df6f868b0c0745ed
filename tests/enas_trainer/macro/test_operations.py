import dataclasses
import logging
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from enas_trainer.macro.operation_types import (
    TYPES,
    Convolution,
    DepthwiseConvolution,
    Reduction,
    SeparableConvolution,
)
from enas_trainer.macro.operations import Shape, build
from trial_runtime.seeds import generator

SHAPE = Shape(channels=6, height=9, width=12)


def _output(module, shape=SHAPE):
    return module.eval()(torch.randn(2, *shape, generator=generator(0, "x")))


def _convolutions(module):
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


@pytest.mark.fault(21)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("num_filter", [4, 11])
@pytest.mark.parametrize("filter_size", [1, 2, 3, 4, 5, 7])
def test_a_convolution_uses_all_its_parameters(filter_size, num_filter, stride):
    operation = Convolution(filter_size=filter_size, num_filter=num_filter, stride=stride)

    module, shape = build(operation, SHAPE)

    (convolution,) = _convolutions(module)
    assert convolution.weight.shape == (num_filter, 6, filter_size, filter_size)
    assert convolution.stride == (stride, stride)
    assert shape == Shape(num_filter, -(-9 // stride), -(-12 // stride))
    assert _output(module).shape == (2, *shape)


@pytest.mark.fault(21)
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("filter_size", [3, 4, 7])
def test_a_separable_convolution_uses_all_its_parameters(filter_size, stride, multiplier):
    operation = SeparableConvolution(filter_size=filter_size, num_filter=5, stride=stride, depth_multiplier=multiplier)

    module, shape = build(operation, SHAPE)

    depthwise, pointwise = _convolutions(module)
    assert depthwise.weight.shape == (6 * multiplier, 1, filter_size, filter_size)
    assert (depthwise.groups, depthwise.stride) == (6, (stride, stride))
    assert pointwise.weight.shape == (5, 6 * multiplier, 1, 1)
    assert shape == Shape(5, -(-9 // stride), 12 // stride)
    assert _output(module).shape == (2, *shape)


@pytest.mark.fault(21)
@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("filter_size", [3, 4, 7])
def test_a_depthwise_convolution_uses_all_its_parameters(filter_size, stride, multiplier):
    operation = DepthwiseConvolution(filter_size=filter_size, stride=stride, depth_multiplier=multiplier)

    module, shape = build(operation, SHAPE)

    (depthwise,) = _convolutions(module)
    assert depthwise.weight.shape == (6 * multiplier, 1, filter_size, filter_size)
    assert (depthwise.groups, depthwise.stride) == (6, (stride, stride))
    assert shape == Shape(6 * multiplier, -(-9 // stride), 12 // stride)
    assert _output(module).shape == (2, *shape)


@pytest.mark.parametrize("filter_size", [3, 4, 5])
def test_padding_keeps_a_map_in_its_place(filter_size):
    module, _ = build(Convolution(filter_size=filter_size, num_filter=1, stride=1), Shape(1, 6, 6))
    (convolution,) = _convolutions(module)
    middle = (filter_size - 1) // 2
    with torch.no_grad():
        convolution.weight.zero_()[0, 0, middle, middle] = 1
    x = torch.rand(1, 1, 6, 6, generator=generator(0, "x"))

    y = module.eval()(x)

    torch.testing.assert_close(y, x / (1 + 1e-5) ** 0.5)


@pytest.mark.fault(23)
@pytest.mark.parametrize("pool_size", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["max_pooling", "avg_pooling"])
def test_a_reduction_pools_windows_side_by_side(kind, pool_size):
    module, shape = build(Reduction(reduction_type=kind, pool_size=pool_size), SHAPE)
    x = torch.randn(2, *SHAPE, generator=generator(0, "x"))

    assert shape == Shape(6, -(-9 // pool_size), -(-12 // pool_size))
    expected = torch.empty(2, *shape)
    reduce = {"max_pooling": torch.amax, "avg_pooling": torch.mean}[kind]
    for row in range(shape.height):
        for column in range(shape.width):
            top, left = row * pool_size, column * pool_size
            window = x[:, :, top : top + pool_size, left : left + pool_size]
            expected[:, :, row, column] = reduce(window, dim=(2, 3))
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (1, 8), (8, 2)])
def test_a_map_too_small_to_pool_passes_through_with_a_warning(height, width, caplog):
    small = Shape(4, height, width)

    with caplog.at_level(logging.WARNING):
        module, shape = build(Reduction(reduction_type="max_pooling", pool_size=3), small)

    x = torch.randn(2, *small, generator=generator(0, "x"))
    assert shape == small
    assert torch.equal(module(x), x)
    assert f"a map of {height} x {width} pixels is too small for max_pooling over 3 x 3" in caplog.text


@pytest.mark.parametrize("name", ["convolution", "separable_convolution", "depthwise_convolution"])
def test_a_convolution_sees_the_dark_half_of_an_image(name):
    parameters = {"filter_size": 3, "num_filter": 4, "stride": 1, "depth_multiplier": 4}
    kind = TYPES[name]
    module, _ = build(kind(**{field: parameters[field] for field in kind.__slots__}), Shape(1, 8, 8))
    image = torch.randn(1, 1, 8, 8, generator=generator(0, "x")).requires_grad_()

    module.eval()(image).sum().backward()

    assert bool((image.grad[image < 0] != 0).any())


@pytest.mark.parametrize("shape", [Shape(3, 1, 1), Shape(3, 1, 5), Shape(1, 2, 2)])
@pytest.mark.parametrize("filter_size", [3, 4, 7])
def test_a_kernel_may_be_larger_than_the_map(filter_size, shape):
    module, out = build(Convolution(filter_size=filter_size, num_filter=2, stride=2), shape)

    assert _output(module, shape).shape == (2, *out)


def test_the_guide_lists_each_type_with_its_parameters():
    guide = (Path(__file__).parents[3] / "docs/guides/enas-trainer.md").read_text(encoding="utf-8")
    table = guide.partition("| `operationType` |")[2].partition("\n\n")[0]
    rows = {
        kind: re.findall("`([^`]+)`", rest) for kind, rest in re.findall(r"^\| `(\w+)` \|(.*)", table, re.MULTILINE)
    }
    assert rows.keys() == TYPES.keys()
    for kind, names in rows.items():
        assert {field.name for field in dataclasses.fields(TYPES[kind])} == {*names} - {"max_pooling", "avg_pooling"}
