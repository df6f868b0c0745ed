from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

from cell_networks.layout import Layout
from darts_service.settings import DartsSettings
from darts_trainer.search.bilevel import (
    BilevelOptimiser,
    WeightStep,
    first_order_alpha_gradient,
    unrolled_alpha_gradient,
)
from darts_trainer.supernet.supernet import Supernet, frozen_statistics

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


class Smooth:
    """Two layers whose activations are mixed by the softmax of alphas: smooth in all of its parameters; float64."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)

        def draw(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.weights = [nn.Parameter(0.4 * draw(*shape)) for shape in ((5, 6), (6,), (6, 3))]
        self.alphas = [nn.Parameter(draw(2, 3)), nn.Parameter(draw(3))]
        self.halves = [(draw(8, 5), torch.arange(8) % 3), (draw(7, 5), torch.arange(7) % 3)]
        self.buffers = [0.1 * draw(*weight.shape) for weight in self.weights]

    def loss(self, half, weights):
        inputs, labels = self.halves[half]
        first, bias, second = weights
        for mixture in self.alphas[0].softmax(dim=-1):
            inputs = self.mix(inputs @ first + bias, mixture) @ first.T
        return functional.cross_entropy(self.mix(inputs @ first, self.alphas[1].softmax(dim=-1)) @ second, labels)

    @staticmethod
    def mix(x, mixture):
        return mixture[0] * torch.tanh(x) + mixture[1] * functional.softplus(x) + mixture[2] * torch.sin(x)

    def train_loss(self):
        return self.loss(0, self.weights)

    def validation_loss(self):
        return self.loss(1, self.weights)

    def exact_alpha_gradient(self, step):
        """Autograd's, through the step of SGD itself."""
        gradients = torch.autograd.grad(self.train_loss(), self.weights, create_graph=True)
        ahead = [
            w - step.learning_rate * (step.momentum * b + g + step.weight_decay * w)
            for w, g, b in zip(self.weights, gradients, step.momentum_buffers, strict=True)
        ]
        return torch.autograd.grad(self.loss(1, ahead), self.alphas)


def relative_error(gradients, exact):
    flat, flat_exact = (torch.cat([g.flatten() for g in gs]) for gs in (gradients, exact))
    return (torch.linalg.vector_norm(flat - flat_exact) / torch.linalg.vector_norm(flat_exact)).item()


@pytest.fixture
def smooth():
    return Smooth()


@pytest.fixture
def step(smooth):
    return WeightStep(
        learning_rate=torch.tensor(0.1, dtype=torch.float64),
        momentum=0.9,
        weight_decay=3e-2,
        momentum_buffers=smooth.buffers,
    )


def test_alpha_gradient_converges_to_autograds_as_epsilon_shrinks(smooth, step):
    exact = smooth.exact_alpha_gradient(step)
    errors = [
        relative_error(
            unrolled_alpha_gradient(
                smooth.weights,
                smooth.alphas,
                smooth.train_loss,
                smooth.validation_loss,
                step=step,
                epsilon_scale=epsilon_scale,
            ),
            exact,
        )
        for epsilon_scale in (1e-1, 1e-2, 1e-3, 1e-4)
    ]
    # A central difference: a tenth of the step, a hundredth of the error.
    assert all(after < before / 50 for before, after in pairwise(errors)), errors
    assert min(errors) <= 1e-6, errors


def test_the_step_ahead_matters(smooth, step):
    """The exact gradient is far from what one gets without momentum, without weight decay, or at first order."""
    exact = smooth.exact_alpha_gradient(step)
    losses = (smooth.train_loss, smooth.validation_loss)
    for other in (replace(step, momentum=0.0), replace(step, weight_decay=0.0)):
        gradients = unrolled_alpha_gradient(smooth.weights, smooth.alphas, *losses, step=other)
        assert relative_error(gradients, exact) > 1e-3
    assert (
        relative_error(first_order_alpha_gradient(smooth.weights, smooth.alphas, smooth.validation_loss), exact) > 1e-2
    )


def test_the_step_ahead_is_the_one_that_sgd_takes(smooth):
    """After a few weight steps, the optimiser looks ahead along the momentum that its SGD has gathered."""
    settings = DartsSettings(w_lr=0.1, w_weight_decay=3e-2, alpha_lr=1.0, alpha_weight_decay=0.0, w_grad_clip=0.0)
    optimiser = BilevelOptimiser(smooth.weights, smooth.alphas, settings, order=2)
    expected_buffers = [torch.zeros_like(w) for w in smooth.weights]
    for _ in range(3):
        gradients = torch.autograd.grad(smooth.train_loss(), smooth.weights)
        expected_buffers = [
            0.9 * b + g + 3e-2 * w.detach() for b, g, w in zip(expected_buffers, gradients, smooth.weights, strict=True)
        ]
        optimiser.weight_step(smooth.train_loss())
    expected = unrolled_alpha_gradient(
        smooth.weights,
        smooth.alphas,
        smooth.train_loss,
        smooth.validation_loss,
        step=WeightStep(
            learning_rate=torch.tensor(0.1, dtype=torch.float64),
            momentum=0.9,
            weight_decay=3e-2,
            momentum_buffers=expected_buffers,
        ),
    )
    reference = [nn.Parameter(alpha.detach().clone()) for alpha in smooth.alphas]
    adam = torch.optim.Adam(reference, lr=1.0, betas=(0.5, 0.999))
    for alpha, gradient in zip(reference, expected, strict=True):
        alpha.grad = gradient
    adam.step()
    optimiser.architecture_step(smooth.train_loss, smooth.validation_loss)
    for alpha, wanted in zip(smooth.alphas, reference, strict=True):
        torch.testing.assert_close(alpha, wanted, rtol=1e-6, atol=1e-6)


def test_first_order_is_the_gradient_at_the_weights_as_they_are(smooth):
    gradients = first_order_alpha_gradient(smooth.weights, smooth.alphas, smooth.validation_loss)
    smooth.validation_loss().backward()
    assert all(torch.equal(g, alpha.grad) for g, alpha in zip(gradients, smooth.alphas, strict=True))


def test_without_a_validation_gradient_nothing_is_undefined(smooth, step):
    gradients = unrolled_alpha_gradient(
        smooth.weights, smooth.alphas, smooth.train_loss, lambda: 0 * smooth.validation_loss(), step=step
    )
    assert all(torch.equal(g, torch.zeros_like(g)) for g in gradients)


def test_weights_are_put_back_after_an_exception(smooth, step):
    before = [weight.detach().clone() for weight in smooth.weights]

    def fail():
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        unrolled_alpha_gradient(smooth.weights, smooth.alphas, smooth.train_loss, fail, step=step)
    assert all(torch.equal(weight, b) for weight, b in zip(smooth.weights, before, strict=True))


def test_weight_step_is_plain_sgd(smooth):
    settings = DartsSettings(w_lr=0.2, w_momentum=0.0, w_weight_decay=0.1, w_grad_clip=0.0)
    gradients = torch.autograd.grad(smooth.train_loss(), smooth.weights)
    expected = [w.detach() - 0.2 * (g + 0.1 * w.detach()) for w, g in zip(smooth.weights, gradients, strict=True)]
    BilevelOptimiser(smooth.weights, smooth.alphas, settings, order=2).weight_step(smooth.train_loss())
    for weight, wanted in zip(smooth.weights, expected, strict=True):
        torch.testing.assert_close(weight.detach(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("clip", "expected"), [(1e-3, 1e-3), (0.0, None)])
def test_gradients_are_clipped_to_a_norm_and_not_at_all_for_zero(smooth, clip, expected):
    settings = DartsSettings(w_lr=1.0, w_momentum=0.0, w_weight_decay=0.0, w_grad_clip=clip)
    norm = nn.utils.get_total_norm(torch.autograd.grad(smooth.train_loss(), smooth.weights)).item()
    before = [weight.detach().clone() for weight in smooth.weights]
    BilevelOptimiser(smooth.weights, smooth.alphas, settings, order=2).weight_step(smooth.train_loss())
    moved = nn.utils.get_total_norm([w.detach() - b for w, b in zip(smooth.weights, before, strict=True)]).item()
    assert moved == pytest.approx(expected or norm, rel=1e-3)


def test_learning_rate_falls_along_a_cosine(smooth):
    settings = DartsSettings(w_lr=0.9, w_lr_min=0.1, num_epochs=4, w_momentum=0.0, w_weight_decay=0.0, w_grad_clip=0.0)
    optimiser = BilevelOptimiser(smooth.weights, smooth.alphas, settings, order=1)
    expected = [0.9, 0.5 + 0.4 * 0.5**0.5, 0.5, 0.5 - 0.4 * 0.5**0.5]
    for rate in expected:
        assert optimiser.learning_rate == pytest.approx(rate)
        assert rate_of_a_step(optimiser, smooth) == pytest.approx(rate)
        again = BilevelOptimiser(smooth.weights, smooth.alphas, settings, order=1)
        again.load_state_dict(optimiser.state_dict())
        assert rate_of_a_step(again, smooth) == pytest.approx(rate)
        optimiser.end_epoch()
    assert optimiser.learning_rate == pytest.approx(0.1)


def rate_of_a_step(optimiser, smooth):
    """How far a step of bare SGD moves the weights, as a multiple of the gradient."""
    before = [weight.detach().clone() for weight in smooth.weights]
    gradients = torch.autograd.grad(smooth.train_loss(), smooth.weights)
    optimiser.weight_step(smooth.train_loss())
    moved = [weight.detach() - b for weight, b in zip(smooth.weights, before, strict=True)]
    return (nn.utils.get_total_norm(moved) / nn.utils.get_total_norm(gradients)).item()


class Search:
    """A small supernet with its optimiser and a batch of each half of random data."""

    def __init__(self, device, order):
        generator = torch.Generator().manual_seed(0)
        layout = Layout(num_layers=2, num_nodes=2, init_channels=2, stem_multiplier=2, image_channels=3, num_classes=4)
        primitives = ("separable_convolution_3x3", "max_pooling_3x3", "skip_connection", "none")
        self.net = Supernet(layout, primitives, generator=generator).to(device)
        self.optimiser = BilevelOptimiser(self.net.weights(), self.net.alphas(), DartsSettings(), order=order)
        self.halves = [
            (torch.randn(8, 3, 8, 8, generator=generator).to(device), (torch.arange(8) % 4).to(device))
            for _ in range(2)
        ]

    def loss(self, half):
        x_bchw, labels_b = self.halves[half]
        return functional.cross_entropy(self.net(x_bchw), labels_b)

    def weight_step(self):
        self.optimiser.weight_step(self.loss(0))

    def architecture_step(self):
        with frozen_statistics(self.net):
            self.optimiser.architecture_step(lambda: self.loss(0), lambda: self.loss(1))

    def weights(self):
        """Weights, buffers of batch norms and momentum."""
        momentum = self.optimiser.state_dict()["momentum_buffers"]
        return [t.detach().clone() for t in (*self.net.weights(), *self.net.buffers(), *momentum)]

    def alphas(self):
        return [alpha.detach().clone() for alpha in self.net.alphas()]


@pytest.fixture(params=DEVICES)
def device(request):
    return torch.device(request.param)


def identical(before, after):
    return [torch.equal(b, a) for b, a in zip(before, after, strict=True)]


@pytest.mark.fault(18)
@pytest.mark.parametrize("order", [1, 2])
def test_alphas_are_bit_identical_after_a_weight_step(device, order):
    search = Search(device, order)
    alphas, weights = search.alphas(), [weight.detach().clone() for weight in search.net.weights()]
    search.weight_step()
    assert all(identical(alphas, search.alphas()))
    assert not any(identical(weights, search.net.weights()))


@pytest.mark.fault(17)
@pytest.mark.parametrize("order", [1, 2])
def test_an_architecture_step_moves_every_alpha_and_nothing_else(device, order):
    search = Search(device, order)
    search.weight_step()
    alphas, weights = search.alphas(), search.weights()
    search.architecture_step()
    assert all(identical(weights, search.weights()))
    moved = [(a - b).abs().cpu() for a, b in zip(alphas, search.alphas(), strict=True)]
    # Adam's first step has the length of its learning rate, whatever the gradient's.
    assert all(torch.allclose(m, torch.full_like(m, 3e-4), rtol=0.05) for m in moved)


@pytest.mark.fault(17)
def test_looking_ahead_changes_the_alpha_gradient_of_a_supernet(device):
    """The virtual step does something: the gradients of the two orders differ in more than rounding."""
    search = Search(device, 2)
    alphas, losses = search.net.alphas(), (lambda: search.loss(0), lambda: search.loss(1))
    buffers = [torch.zeros_like(weight) for weight in search.net.weights()]
    step = WeightStep(
        learning_rate=torch.tensor(0.025, device=device), momentum=0.9, weight_decay=3e-4, momentum_buffers=buffers
    )
    unrolled = unrolled_alpha_gradient(search.net.weights(), alphas, *losses, step=step)
    assert relative_error(unrolled, first_order_alpha_gradient(search.net.weights(), alphas, losses[1])) > 1e-2


def test_parameters_belong_to_one_side_only(smooth):
    with pytest.raises(AssertionError):
        BilevelOptimiser([*smooth.weights, *smooth.alphas], smooth.alphas, DartsSettings(), order=2)
