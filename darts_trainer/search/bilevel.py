"""Bilevel optimisation (arXiv 1806.09055, section 2.3): alphas learn from one half of the data, weights from the other.

Nothing here knows what the parameters are for: a loss is a tensor, or a closure that computes one at the parameters as
they stand when it is called.

Several processes can share the work. Each then computes its share of a loss, and the shares add up to it; so do their
gradients, by way of `AddUp`. What follows from the sums is computed by each process for itself.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from darts_service.settings import SearchSettings
from trial_runtime.gradients import apply_gradients, clipped, shortening

Loss = Callable[[], Tensor]
"""Computes a scalar loss, with its graph, at the present values of weights and alphas."""

AddUp = Callable[[Sequence[Tensor]], list[Tensor]]
"""Adds gradients up over all processes that share a loss; ``list`` where there is one."""

EPSILON_SCALE = 0.01
"""Length of the finite difference's step in the space of weights (the paper's footnote 2)."""


ALPHA_BETAS = (0.5, 0.999)
"""Of Adam, which moves the alphas of images."""


@dataclass(frozen=True, kw_only=True)
class WeightStep:
    """What decides where one step of SGD takes the weights, beside the gradient."""

    learning_rate: Tensor
    """A number on the device of the weights."""
    momentum: float
    weight_decay: float
    momentum_buffers: Sequence[Tensor]
    """One a weight, of its shape; zeros before the first step."""
    max_norm: float = 0.0
    """Norm to which the step ahead shortens the gradient; the factor counts as a constant. 0 leaves it as it is."""


def first_order_alpha_gradient(
    weights: Sequence[Tensor], alphas: Sequence[Tensor], validation_loss: Loss, *, add_up: AddUp = list
) -> list[Tensor]:
    """Gradient of the validation loss with the weights held fixed: equation 6 with xi = 0."""
    with _frozen(weights):
        return add_up(torch.autograd.grad(validation_loss(), alphas))


def unrolled_alpha_gradient(
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    train_loss: Loss,
    validation_loss: Loss,
    *,
    step: WeightStep,
    epsilon_scale: float = EPSILON_SCALE,
    add_up: AddUp = list,
) -> list[Tensor]:
    """Gradient with regard to the alphas of the validation loss one weight step ahead: equations 6 to 8.

    The step ahead takes momentum and weight decay along, as the published code does. Clipping makes it another function
    of the alphas, so it is left out unless asked for, where without it the step would lead far away; then what shortens
    the gradient is not differentiated. The product of the mixed second derivative with a vector is
    a central difference of two gradients at weights moved along that vector.

    Args:
        weights: displaced while this runs; bit-identical afterwards, also after an exception.
        alphas: never changed.
        train_loss: called three times: at the weights, and a little to both sides of them.
        validation_loss: called once, at the weights one step ahead.
        step: the weight step that is looked ahead; its learning rate is the paper's xi.
        epsilon_scale: length of the finite difference's step.
        add_up: called three times, with gradients.

    Returns:
        One gradient an alpha.
    """
    gradients: Sequence[Tensor] = add_up(torch.autograd.grad(train_loss(), weights))
    rate = step.learning_rate
    if step.max_norm:
        share = shortening(gradients, step.max_norm)
        gradients, rate = torch._foreach_mul(tuple(gradients), share), rate * share
    with _moved(weights, _ahead(weights, _directions(weights, gradients, step), step)):
        ahead = add_up(torch.autograd.grad(validation_loss(), [*alphas, *weights]))
    alpha_gradients, weight_gradients = ahead[: len(alphas)], ahead[len(alphas) :]

    norm = nn.utils.get_total_norm(weight_gradients)
    # A gradient of zero has no direction to look along: the floor keeps the difference, which is then zero, defined.
    epsilon = epsilon_scale / norm.clamp_min(torch.finfo(norm.dtype).tiny ** 0.5)
    displacements = torch._foreach_mul(weight_gradients, epsilon)
    above = _alpha_gradient_at(weights, displacements, 1, train_loss, alphas)
    below = _alpha_gradient_at(weights, displacements, -1, train_loss, alphas)
    differences = add_up([plus - minus for plus, minus in zip(above, below, strict=True)])
    return [
        gradient - rate * difference / (2 * epsilon)
        for gradient, difference in zip(alpha_gradients, differences, strict=True)
    ]


class BilevelOptimiser:
    """Moves alphas by Adam and weights by SGD; neither ever moves the other's parameters.

    Args:
        weights: moved by weight steps only.
        alphas: moved by architecture steps only.
        settings: learning rates and the rest; a ``w_grad_clip`` of 0 switches clipping off, since a norm of 0
            would keep the weights from moving at all.
        order: 2 looks one weight step ahead, 1 holds the weights fixed.
        alpha_betas: of Adam; those of the paper's search on images.
        clips_ahead: clip the gradient of the step ahead as that of the weight step.
        add_up: for several processes that share each loss; parameters that were the same in all stay the same.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        alphas: Sequence[nn.Parameter],
        settings: SearchSettings,
        *,
        order: int,
        alpha_betas: tuple[float, float] = ALPHA_BETAS,
        clips_ahead: bool = False,
        add_up: AddUp = list,
    ) -> None:
        assert order in (1, 2), order
        assert not {id(weight) for weight in weights} & {id(alpha) for alpha in alphas}
        self._weights = list(weights)
        self._alphas = list(alphas)
        self._settings = settings
        self._order = order
        self._add_up = add_up
        # On the device, so that a step which is recorded as a graph takes the learning rate of each epoch. That is what
        # torch.optim.SGD cannot do: it asks the device for the number.
        self._learning_rate = self._weights[0].new_tensor(settings.w_lr)
        self._weight_step = WeightStep(
            learning_rate=self._learning_rate,
            momentum=settings.w_momentum,
            weight_decay=settings.w_weight_decay,
            momentum_buffers=[torch.zeros_like(weight) for weight in self._weights],
            max_norm=settings.w_grad_clip if clips_ahead else 0.0,
        )
        self._adam = torch.optim.Adam(
            self._alphas,
            lr=settings.alpha_lr,
            betas=alpha_betas,
            weight_decay=settings.alpha_weight_decay,
            capturable=all(alpha.is_cuda for alpha in self._alphas),  # its count of steps stays on the device
        )
        self._num_epochs = 0

    @property
    def learning_rate(self) -> float:
        """Learning rate of the weights in this epoch: falls from epoch to epoch along half a cosine."""
        settings = self._settings
        share = (1 + math.cos(math.pi * self._num_epochs / settings.num_epochs)) / 2
        return settings.w_lr_min + (settings.w_lr - settings.w_lr_min) * share

    def architecture_step(self, train_loss: Loss, validation_loss: Loss, *, size: float = 1.0) -> None:
        """Move the alphas down the validation loss; the weights are afterwards bit-identical to before.

        Buffers of a network, such as a batch norm's running statistics, are for the closures to leave alone.

        Args:
            train_loss: see `unrolled_alpha_gradient`.
            validation_loss: see there.
            size: of the weight step that is looked ahead, see `weight_step`.
        """
        if self._order == 1:
            gradients = first_order_alpha_gradient(self._weights, self._alphas, validation_loss, add_up=self._add_up)
        else:
            gradients = unrolled_alpha_gradient(
                self._weights,
                self._alphas,
                train_loss,
                validation_loss,
                step=self._sized(size),
                add_up=self._add_up,
            )
        apply_gradients(self._adam, self._alphas, gradients)

    def weight_step(self, loss: Tensor, *, size: float = 1.0) -> None:
        """Move the weights down a training loss; the alphas are left alone.

        Args:
            loss: with its graph.
            size: multiplies the learning rate.
        """
        step = self._sized(size)
        gradients = self._add_up(torch.autograd.grad(loss, self._weights))
        directions = _directions(self._weights, clipped(gradients, self._settings.w_grad_clip), step)
        _put(step.momentum_buffers, directions)
        _put(self._weights, _ahead(self._weights, directions, step))

    def end_epoch(self) -> None:
        """Lower the learning rate of the weights to the next epoch's."""
        self._num_epochs += 1
        self._learning_rate.fill_(self.learning_rate)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to take the same steps as this does from here."""
        return {
            "momentum_buffers": self._weight_step.momentum_buffers,
            "adam": self._adam.state_dict(),
            "num_epochs": self._num_epochs,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another, with parameters of the same shapes and the same settings, stood."""
        _put(self._weight_step.momentum_buffers, state["momentum_buffers"])
        self._adam.load_state_dict(state["adam"])
        self._num_epochs = state["num_epochs"]
        self._learning_rate.fill_(self.learning_rate)

    def _sized(self, size: float) -> WeightStep:
        return self._weight_step if size == 1 else replace(self._weight_step, learning_rate=self._learning_rate * size)


@torch.no_grad()
def _directions(weights: Sequence[Tensor], gradients: Sequence[Tensor], step: WeightStep) -> tuple[Tensor, ...]:
    """Which way SGD would take the weights: momentum * buffer + gradient + weight decay * w."""
    directions = torch._foreach_add(tuple(gradients), tuple(weights), alpha=step.weight_decay)
    torch._foreach_add_(directions, tuple(step.momentum_buffers), alpha=step.momentum)
    return directions


@torch.no_grad()
def _ahead(weights: Sequence[Tensor], directions: tuple[Tensor, ...], step: WeightStep) -> Sequence[Tensor]:
    """Where SGD would take the weights: w - xi * direction."""
    return torch._foreach_sub(tuple(weights), torch._foreach_mul(directions, step.learning_rate))


def _alpha_gradient_at(
    weights: Sequence[Tensor], displacements: Sequence[Tensor], sign: int, loss: Loss, alphas: Sequence[Tensor]
) -> Sequence[Tensor]:
    with torch.no_grad():
        places = torch._foreach_add(tuple(weights), tuple(displacements), alpha=sign)
    with _frozen(weights), _moved(weights, places):
        return torch.autograd.grad(loss(), alphas)


@contextmanager
def _moved(weights: Sequence[Tensor], places: Sequence[Tensor]) -> Iterator[None]:
    """Within, the weights stand at other values; the old ones are copied back, since adding would round."""
    saved = [torch.empty_like(weight) for weight in weights]
    _put(saved, weights)
    try:
        _put(weights, places)
        yield
    finally:
        _put(weights, saved)


@contextmanager
def _frozen(weights: Sequence[Tensor]) -> Iterator[None]:
    """Within, a loss keeps nothing for the gradients of the weights, and its backward pass leaves them out."""
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


@torch.no_grad()
def _put(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    torch._foreach_copy_(tuple(weights), tuple(values))
