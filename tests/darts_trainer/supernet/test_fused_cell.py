"""The fast form of the supernet against the plain one."""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch.nn import functional

from cell_networks.layout import Layout
from darts_genotype.primitives import NONE, PRIMITIVES
from darts_service.settings import DartsSettings
from darts_trainer.search.bilevel import BilevelOptimiser
from darts_trainer.supernet import fused_cell, pointwise_norm
from darts_trainer.supernet.supernet import Supernet, frozen_statistics

PAPER = tuple(
    one for one in PRIMITIVES if one.endswith("3x3") or one in ("separable_convolution_5x5", "dilated_convolution_5x5")
)


def pair(primitives=(*PRIMITIVES, NONE), dtype=torch.float64, options=None, **changes):
    """The same supernet in its plain and in its fast form, with alphas that tell the edges apart."""
    sizes = {"num_layers": 4, "num_nodes": 2, "init_channels": 3, "stem_multiplier": 3}
    layout = Layout(**(sizes | changes), image_channels=3, num_classes=10)
    generator = torch.Generator().manual_seed(0)
    plain = Supernet(layout, primitives, generator=generator, plain=True, **(options or {})).to(dtype)
    with torch.no_grad():
        for alpha_eo in plain.alphas():
            alpha_eo.copy_(torch.linspace(-1, 1, alpha_eo.numel()).reshape(alpha_eo.shape))
    return plain, fused(plain)


def fused(plain):
    net = copy.deepcopy(plain)
    net.fuse()
    return net


def in_fast_form(plain, gradients):
    """Gradients of the plain form where the fast one has them: both take each weight to the same place."""
    carrier = copy.deepcopy(plain)
    with torch.no_grad():
        for parameter, gradient in zip((*carrier.alphas(), *carrier.weights()), gradients, strict=True):
            parameter.copy_(gradient)
    carrier.fuse()
    return [*carrier.alphas(), *carrier.weights()]


def batch(size, dtype, shape=(12, 8)):
    generator = torch.Generator().manual_seed(size)
    images = torch.randn(size, 3, *shape, generator=generator, dtype=torch.float64).to(dtype)
    return images, torch.randint(10, (size,), generator=generator)


def loss_and_gradients(net, x_bchw, labels_b):
    loss = functional.cross_entropy(net(x_bchw), labels_b)
    return loss, torch.autograd.grad(loss, [*net.alphas(), *net.weights()])


@pytest.mark.parametrize("shape", [(12, 8), (9, 7), (5, 5), (1, 3)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_outputs_and_gradients_are_those_of_the_plain_form(shape, channels):
    check_that_both_forms_agree(*pair(init_channels=channels), shape)


@pytest.mark.parametrize("shape", [(8, 6), (5, 3)])
@pytest.mark.parametrize(("channels", "k"), [(2, 1), (4, 2), (3, 3)])
def test_partial_channels_are_those_of_the_plain_form(shape, channels, k):
    options = {"partial_channels": k}
    check_that_both_forms_agree(*pair(options=options, num_layers=3, num_nodes=2, init_channels=channels), shape)


@pytest.mark.parametrize("shape", [(12, 8), (9, 7), (1, 3)])
@pytest.mark.parametrize(("channels", "k"), [(1, 1), (3, 1), (4, 2)])
def test_the_form_for_gpus_is_that_of_the_plain_form(shape, channels, k, monkeypatch):
    for module in (pointwise_norm, fused_cell):
        monkeypatch.setattr(module, "few_passes_are_best_on", lambda device: False)
    options = {"partial_channels": k} if k > 1 else {}
    check_that_both_forms_agree(*pair(options=options, num_layers=3, num_nodes=2, init_channels=channels), shape)


@pytest.mark.parametrize("options", [{}, {"partial_channels": 2}])
def test_auxiliary_skips_are_those_of_the_plain_form(options):
    primitives = ("separable_convolution_3x3", "max_pooling_3x3", "skip_connection", NONE)
    sizes = {"num_layers": 3, "num_nodes": 2, "init_channels": 4}
    nets = pair(primitives, options=options | {"auxiliary_skip": True}, **sizes)
    for net in nets:
        net.auxiliary_weight.fill_(0.3)
    check_that_both_forms_agree(*nets, (8, 6))


def check_that_both_forms_agree(plain, fast, shape):
    x_bchw, labels_b = batch(4, torch.float64, shape)
    loss, gradients = loss_and_gradients(plain, x_bchw, labels_b)
    fast_loss, fast_gradients = loss_and_gradients(fast, x_bchw, labels_b)
    torch.testing.assert_close(fast_loss, loss, rtol=0, atol=1e-12)
    for ours, theirs in zip(fast_gradients, in_fast_form(plain, gradients), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    for ours, theirs in zip(fast.buffers(), fused(plain).buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    plain.eval(), fast.eval()
    torch.testing.assert_close(fast(x_bchw), plain(x_bchw), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "primitives",
    [
        *((one,) for one in PRIMITIVES),
        ("skip_connection", NONE),
        ("max_pooling_3x3", "dilated_convolution_3x3"),
        (NONE, "separable_convolution_3x3", "avg_pooling_3x3"),
    ],
)
def test_any_choice_of_operations_is_that_of_the_plain_form(primitives):
    plain, fast = pair(primitives, num_layers=2, num_nodes=2)
    x_bchw, labels_b = batch(4, torch.float64)
    (loss, fast_loss) = (functional.cross_entropy(net(x_bchw), labels_b) for net in (plain, fast))
    torch.testing.assert_close(fast_loss, loss, rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_twenty_steps_end_where_those_of_the_plain_form_do(order):
    nets = pair((*PAPER, "skip_connection", NONE), num_layers=3, num_nodes=1, init_channels=2)
    for net in nets:
        optimiser = BilevelOptimiser(net.weights(), net.alphas(), DartsSettings(), order=order)
        for step in range(20):
            train, validation = (batch(4 + (step + half) % 3, torch.float64, (8, 8)) for half in (0, 1))
            with frozen_statistics(net):
                optimiser.architecture_step(
                    lambda net=net, train=train: functional.cross_entropy(net(train[0]), train[1]),
                    lambda net=net, validation=validation: functional.cross_entropy(net(validation[0]), validation[1]),
                )
            optimiser.weight_step(functional.cross_entropy(net(train[0]), train[1]))
    plain, fast = nets
    for ours, theirs in zip(fast.state_dict().values(), fused(plain).state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8)


def test_float32_is_no_further_from_float64_than_the_plain_form():
    exact, _ = pair(num_layers=3)
    plain, fast = pair(num_layers=3, dtype=torch.float32)
    _, gradients = loss_and_gradients(exact, *batch(16, torch.float64))
    expected = in_fast_form(exact, gradients)
    _, plain_gradients = loss_and_gradients(plain, *batch(16, torch.float32))
    _, fast_gradients = loss_and_gradients(fast, *batch(16, torch.float32))

    @torch.no_grad()
    def distance(given):
        return float(sum(((one - other) ** 2).sum() for one, other in zip(given, expected, strict=True)) ** 0.5)

    assert distance(fast_gradients) <= 3 * distance(in_fast_form(plain, plain_gradients))


def test_bfloat16_is_about_as_far_from_float64_as_in_the_plain_form():
    exact, _ = pair(num_layers=3)
    _, gradients = loss_and_gradients(exact, *batch(16, torch.float64))
    expected = torch.cat([gradient.detach().flatten() for gradient in in_fast_form(exact, gradients)])
    distances = []
    for net in pair(num_layers=3, dtype=torch.float32):
        net._precision = "bf16"
        loss, gradients = loss_and_gradients(net, *batch(16, torch.float32))
        assert loss.dtype == gradients[0].dtype == torch.float32
        in_order = in_fast_form(net, gradients) if net._is_plain else gradients
        distances.append(float((torch.cat([one.detach().flatten() for one in in_order]) - expected).norm()))
    plain, fast = distances
    assert 1e-3 < fast < 1.5 * plain


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch.compile looks at its inputs' gradients
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch 2.10 does it itself
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
@pytest.mark.parametrize(
    ("primitives", "nodes", "channels"),
    [
        pytest.param(PAPER, 1, 3, id="all-operations"),
        pytest.param(("separable_convolution_3x3", "dilated_convolution_3x3"), 2, 32, id="a-product-for-each-edge"),
    ],
)
def test_compiled_cells_have_the_same_gradients(primitives, nodes, channels):
    _, fast = pair(primitives, num_layers=1, num_nodes=nodes, init_channels=channels)
    eager = copy.deepcopy(fast)
    fast.compile_cells(backend="aot_eager")  # all but the translation to machine code, which takes a minute
    gradients = [loss_and_gradients(net, *batch(4, torch.float64))[1] for net in (fast, eager)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("frozen", [True, False])
def test_computing_cells_again_changes_neither_gradients_nor_statistics(frozen, channels):
    """With one channel, and on a GPU, batch norm is torch's own, which keeps other tensors for the backward pass."""
    _, fast = pair(num_layers=3, init_channels=channels)
    again = copy.deepcopy(fast)
    again._checkpoint_cells = True
    results = []
    for net in (fast, again):
        with frozen_statistics(net) if frozen else nullcontext():
            results.append(loss_and_gradients(net, *batch(4, torch.float64))[1])
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(again.buffers(), fast.buffers(), strict=True):
        assert torch.equal(ours, theirs)
    assert next(again.stem.buffers()).count_nonzero() == (0 if frozen else 3 * channels)


def test_cells_that_are_computed_again_keep_less():
    def kept_bytes(net):
        sizes = {}

        def note(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            net(batch(8, torch.float64)[0])
        return sum(sizes.values())

    plain, fast = pair(num_layers=3)
    again = copy.deepcopy(fast)
    again._checkpoint_cells = True
    assert kept_bytes(fast) < 0.75 * kept_bytes(plain)
    assert kept_bytes(again) < 0.25 * kept_bytes(plain)


def test_fusing_twice_is_a_mistake():
    _, fast = pair(num_layers=1)
    with pytest.raises(AssertionError, match="fused already"):
        fast.fuse()
