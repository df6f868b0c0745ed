import itertools
import random

import pytest
import torch
from torch import nn
from torch.nn import functional

from enas_trainer.macro import config
from enas_trainer.macro.child import MAX_INPUT_CHANNELS, Child, Join, JoinedConvolution, Layer
from enas_trainer.macro.operation_types import Convolution, DepthwiseConvolution, Reduction, SeparableConvolution
from enas_trainer.macro.operations import Shape
from katib_suggestion.parsing import assignment
from trial_runtime.seeds import generator

SIZES = ("3", "5", "7")
FILTERS = ("32", "48", "64", "96", "128")
STRIDES = ("1", "2")
MULTIPLIERS = ("1", "2")


def _expand(opt_type, **spaces):
    return [(opt_type, dict(zip(spaces, values, strict=True))) for values in itertools.product(*spaces.values())]


GPU_EXAMPLE = [
    *_expand("convolution", filter_size=SIZES, num_filter=FILTERS, stride=STRIDES),
    *_expand(
        "separable_convolution", filter_size=SIZES, num_filter=FILTERS, stride=STRIDES, depth_multiplier=MULTIPLIERS
    ),
    *_expand("depthwise_convolution", filter_size=SIZES, stride=STRIDES, depth_multiplier=MULTIPLIERS),
    *_expand("reduction", reduction_type=("max_pooling", "avg_pooling"), pool_size=(2, 3)),
]
"""The 106 operations of Katib's enas-gpu example."""


def _child(rows, operations, *, input_sizes=(32, 32, 3)):
    nn_config = {
        "num_layers": len(rows),
        "input_sizes": input_sizes,
        "output_sizes": [10],
        "embedding": {
            str(row[0]): {"opt_id": row[0], "opt_type": operations[row[0]][0], "opt_params": operations[row[0]][1]}
            for row in rows
        },
    }
    architecture, network = config.read(assignment.encode(rows), assignment.encode(nn_config))
    return Child(architecture, network, generator(0, "weights"))


def _dense(operation, num_layers):
    return [[operation] + [1] * (layer - 1) for layer in range(1, num_layers + 1)]


def _random_rows(num_layers, seed):
    draw = random.Random(seed)
    return [
        [draw.randrange(len(GPU_EXAMPLE)), *(draw.randrange(2) for _ in range(layer - 1))]
        for layer in range(1, num_layers + 1)
    ]


def test_there_are_106_operations():
    assert len(GPU_EXAMPLE) == 106


TEN_OPERATIONS = [("convolution", {"filter_size": "3", "num_filter": str(3 + k), "stride": "1"}) for k in range(10)]


def _influences(child, x):
    """For each layer, the maps (0: the image) that its output changes with, when all other maps are held still."""
    maps = [x]
    found = []
    for layer, sources in zip(child.layers, child.sources, strict=True):
        leaves = [map_.detach().requires_grad_() for map_ in maps]
        out = layer([leaves[source] for source in sources])
        gradients = torch.autograd.grad(out.square().sum(), leaves, allow_unused=True)
        found.append({k for k, gradient in enumerate(gradients) if gradient is not None and bool(gradient.any())})
        maps.append(out)
    return found, maps


@pytest.mark.parametrize("seed", range(3))
def test_exactly_the_joined_layers_feed_a_layer(seed):
    draw = random.Random(seed)
    rows = [[draw.randrange(10), *(draw.randrange(2) for _ in range(layer - 1))] for layer in range(1, 8)]
    child = _child(rows, TEN_OPERATIONS, input_sizes=(8, 8, 3)).eval()
    x = torch.randn(2, 3, 8, 8, generator=generator(seed, "x"))

    found, maps = _influences(child, x)

    # The contract, word for word: bit k of row l joins layer k, layer 0 is the image, layer l-1 always feeds layer l.
    for layer, row in enumerate(rows, start=1):
        assert found[layer - 1] == {layer - 1} | {k for k, bit in enumerate(row[1:]) if bit == 1}
    logits = functional.linear(maps[-1].mean(dim=(2, 3)), child.head.weight, child.head.bias)
    torch.testing.assert_close(child(x), logits)


@pytest.mark.parametrize(("bits", "reached"), [([0, 0], False), ([1, 0], True)])
def test_the_image_reaches_a_layer_past_the_others(bits, reached):
    """Layers 1 and 2 are cut: only a bit for layer 0 lets the image through to layer 3."""
    child = _child([[0], [1, 0], [2, *bits]], TEN_OPERATIONS, input_sizes=(8, 8, 3)).eval()
    nn.init.zeros_(child.layers[0].operation[0].weight)
    first, second = torch.randn(2, 1, 3, 8, 8, generator=generator(0, "x"))

    assert bool((child(first) != child(second)).any()) is reached


def test_joined_maps_are_averaged_to_the_smallest_and_concatenated():
    join = Join([Shape(2, 4, 8), Shape(3, 2, 8), Shape(1, 8, 4)])
    maps = [torch.randn(5, *shape, generator=generator(0, "x")) for shape in [(2, 4, 8), (3, 2, 8), (1, 8, 4)]]

    joined = join(maps)

    assert join.shape == Shape(6, 2, 4)
    torch.testing.assert_close(joined[:, :2], maps[0].view(5, 2, 2, 2, 4, 2).mean(dim=(3, 5)))
    torch.testing.assert_close(joined[:, 2:5], maps[1].view(5, 3, 2, 4, 2).mean(dim=4))
    torch.testing.assert_close(joined[:, 5:], maps[2].view(5, 1, 2, 4, 4).mean(dim=3))


def test_a_single_map_passes_a_join_untouched():
    x = torch.randn(2, 3, 5, 5, generator=generator(0, "x"))

    assert Join([Shape(3, 5, 5)])([x]) is x


@pytest.mark.fault(23)
@pytest.mark.parametrize("kind", ["max_pooling", "avg_pooling"])
def test_reductions_and_joined_layers_train(kind):
    operations = [
        ("convolution", {"filter_size": "3", "num_filter": "4", "stride": "2"}),
        ("reduction", {"reduction_type": kind, "pool_size": 3}),
    ]
    child = _child([[0], [1, 1], [0, 1, 1], [1, 1, 1, 1]], operations)

    _assert_a_step_reaches_every_weight(child)


def _assert_a_step_reaches_every_weight(child, batch_size=4):
    x = torch.randn(batch_size, 3, 32, 32, generator=generator(0, "x"))
    loss = functional.cross_entropy(child(x), torch.arange(batch_size))
    loss.backward()

    assert 0 < loss.item() < 20
    for name, weight in child.named_parameters():
        assert bool(torch.isfinite(weight.grad).all()), name
        assert bool(weight.grad.any()), name


def test_shapes_are_known_before_the_network_runs():
    child = _child(_random_rows(8, seed=1), GPU_EXAMPLE).eval()
    maps = [torch.randn(1, 3, 32, 32, generator=generator(0, "x"))]
    for layer, sources in zip(child.layers, child.sources, strict=True):
        maps.append(layer([maps[source] for source in sources]))

    assert [tuple(map_.shape[1:]) for map_ in maps] == list(child.shapes)


def test_strides_reach_maps_of_one_pixel_and_stay_right():
    stride_2 = [("convolution", {"filter_size": "5", "num_filter": "8", "stride": "2"})]
    child = _child(_dense(0, 9), stride_2)

    assert [shape.height for shape in child.shapes] == [32, 16, 8, 4, 2, 1, 1, 1, 1, 1]
    _assert_a_step_reaches_every_weight(child)


WIDEST = ("depthwise_convolution", {"filter_size": "3", "stride": "1", "depth_multiplier": "2"})
FIRST = ("convolution", {"filter_size": "3", "num_filter": "128", "stride": "2"})


@pytest.mark.parametrize("num_layers", [8, 12])
def test_channels_that_follow_their_input_do_not_compound(num_layers):
    rows = [[0], *_dense(1, num_layers)[1:]]
    child = _child(rows, [FIRST, WIDEST])

    assert max(shape.channels for shape in child.shapes) == 2 * MAX_INPUT_CHANNELS
    assert sum(weight.numel() for weight in child.parameters()) < 8e6
    _assert_a_step_reaches_every_weight(child, batch_size=2)


OPERATIONS = [
    Convolution(filter_size=3, num_filter=5, stride=2),
    SeparableConvolution(filter_size=3, num_filter=5, stride=1, depth_multiplier=2),
    DepthwiseConvolution(filter_size=3, stride=1, depth_multiplier=2),
    Reduction(reduction_type="max_pooling", pool_size=2),
]


def _shapes_of(module):
    return {name: tuple(weight.shape) for name, weight in module.state_dict().items()}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_has_the_same_weights_whatever_is_joined(operation):
    alone = Layer(operation, {3: Shape(16, 8, 8)})
    joined = Layer(operation, {3: Shape(16, 8, 8), 0: Shape(3, 8, 8), 2: Shape(12, 16, 8)})

    assert (joined.input_shape, joined.shape) == (alone.input_shape, alone.shape)
    assert _shapes_of(joined.operation) == _shapes_of(alone.operation)
    assert isinstance(alone.projection, nn.Identity)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_reads_the_channels_of_its_widest_source_up_to_a_limit(operation):
    widest = Layer(operation, {2: Shape(4, 8, 8), 1: Shape(7, 8, 8)})
    at_most = Layer(operation, {1: Shape(MAX_INPUT_CHANNELS, 4, 4)})
    wider = Layer(operation, {1: Shape(MAX_INPUT_CHANNELS + 1, 4, 4)})

    assert widest.input_shape == Shape(7, 8, 8)
    assert at_most.input_shape == wider.input_shape == Shape(MAX_INPUT_CHANNELS, 4, 4)
    assert isinstance(at_most.projection, nn.Identity)


def test_a_convolution_of_joined_maps_is_one_over_their_concatenation():
    joined = JoinedConvolution({2: Shape(3, 4, 4), 0: Shape(2, 4, 4)}, 6)
    joined.initialise(generator(0, "weights"))
    first = torch.randn(5, 3, 4, 4, generator=generator(0, "first"))
    second = torch.randn(5, 2, 4, 4, generator=generator(0, "second"))

    of_both = joined(torch.cat([first, second], dim=1))

    apart = functional.conv2d(first, joined.weights["2"]) + functional.conv2d(second, joined.weights["0"])
    torch.testing.assert_close(of_both, apart)


def test_weights_of_joined_maps_are_drawn_for_the_width_of_their_concatenation():
    joined = JoinedConvolution({2: Shape(150, 4, 4), 0: Shape(50, 4, 4)}, 200)
    joined.initialise(generator(0, "weights"))

    for weight in joined.parameters():  # He et al., 1502.01852: the variance is 2 over the number of inputs
        assert float(weight.detach().std()) == pytest.approx((2 / 200) ** 0.5, rel=0.05)


@pytest.mark.parametrize("num_layers", [8, 12])
def test_random_architectures_of_katibs_example_have_sane_sizes(num_layers):
    for seed in range(10):
        child = _child(_random_rows(num_layers, seed), GPU_EXAMPLE)
        assert 1e4 < sum(weight.numel() for weight in child.parameters()) < 2e7


@pytest.mark.parametrize("seed", range(3))
def test_random_architectures_of_katibs_example_train(seed):
    child = _child(_random_rows(12, seed), GPU_EXAMPLE)
    x = torch.randn(4, 3, 32, 32, generator=generator(0, "x"))

    loss = functional.cross_entropy(child(x), torch.arange(4))
    loss.backward()

    assert 0 < loss.item() < 20
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in child.parameters())


def test_the_generator_alone_draws_the_weights():
    rows = _random_rows(5, seed=0)

    torch.manual_seed(1)
    first = _child(rows, GPU_EXAMPLE).state_dict()
    torch.manual_seed(2)
    second = _child(rows, GPU_EXAMPLE).state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)
