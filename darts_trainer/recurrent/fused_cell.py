"""The recurrent cell of a search, fast: what `plain_cell` computes, with fewer and larger operations.

- One product a node for all edges that leave it, and one for all steps' inputs.
- ``Σ p (s + c (f(b) - s)) = P s + c (Σ p f(b) - P s)`` with P = Σ p: the functions are mixed before they meet the gate.
- A backward pass of its own, which keeps gates and candidates and none of what autograd would keep of the sums.

Shape suffixes: t steps, b batch, h hidden units, g gates and candidates (2H), n nodes that compute, j sources,
k edges that leave a source, f activation functions.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cell_networks.activations import FUNCTIONS
from darts_trainer.recurrent.plain_cell import NORM_EPSILON


class Shape(NamedTuple):
    """What of a cell is no tensor; a step is translated for each."""

    activations: tuple[str, ...]
    normalised: bool
    dtype: torch.dtype
    """Of the factors of products; their sums are added up in float32."""
    needs_mixture: bool = True
    """Whether the backward pass is asked for the gradient of the mixture."""


class Saved(NamedTuple):
    """What a step keeps for the backward pass."""

    states: list[Tensor]
    """Nodes 0 to N, (B, H) each."""
    spreads: list[Tensor]
    """One over the standard deviation that each was divided by, (H,) each; empty without norms."""
    products: list[Tensor]
    """Gate and candidate ``[σ(a) b]`` of node 0, (B, 2, H), and of all edges that leave nodes 0 to N - 1, (B, 2, K, H)
    each."""


class StepGradients(NamedTuple):
    """What a step gives the backward pass."""

    state_bh: Tensor
    """Gradient of the output before."""
    products: list[Tensor]
    """Gradients of ``[a b]``, as `Saved.products`."""
    mixture: list[Tensor]
    """Gradients of the weights of the functions on the edges that leave nodes 0 to N - 1, (K, F) each; empty where they
    are not needed."""


def outputs(
    x_tbh: Tensor,
    state_bh: Tensor,
    input_weight_hg: Tensor,
    node_weight_nhg: Tensor,
    mixture_njf: Tensor,
    activations: Sequence[str],
    *,
    x_mask_bh: Tensor | None = None,
    state_mask_bh: Tensor | None = None,
    normalised: bool = True,
    compiled: bool = False,
) -> Tensor:
    """Compute a cell's outputs, (T, B, H): what `plain_cell.outputs` does, whose arguments these are.

    Where ``compiled``, torch.compile translates a step of either direction when it is first taken; it needs g++.
    """
    hidden_size = state_bh.shape[1]
    if x_mask_bh is not None:
        x_tbh = x_tbh * x_mask_bh
    product_tbg = (x_tbh @ input_weight_hg[:hidden_size]).to(state_bh.dtype)
    device = state_bh.device.type
    is_bf16 = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
    shape = Shape(tuple(activations), normalised, torch.bfloat16 if is_bf16 else state_bh.dtype)
    with torch.autocast(device, enabled=False):
        found: Tensor = _Recurrence.apply(
            product_tbg, state_bh, input_weight_hg[hidden_size:], node_weight_nhg, mixture_njf, state_mask_bh, shape,
            compiled,
        )  # fmt: skip
    return found


class _Recurrence(torch.autograd.Function):
    """From the inputs' share of node 0's products, (T, B, 2H), to the outputs, (T, B, H)."""

    @staticmethod
    def forward(
        ctx: Any,
        product_tbg: Tensor,
        state_bh: Tensor,
        input_weight_hg: Tensor,
        node_weight_nhg: Tensor,
        mixture_njf: Tensor,
        mask_bh: Tensor | None,
        shape: Shape,
        compiled: bool,
    ) -> Tensor:
        weights = _by_source(node_weight_nhg.to(shape.dtype))
        input_weight_hg = input_weight_hg.to(shape.dtype)
        step = _translated(_step) if compiled else _step
        steps: list[Saved] = []
        found = [state_bh]
        for product_bg in product_tbg:
            state_bh, saved = step(product_bg, state_bh, input_weight_hg, weights, mixture_njf, mask_bh, shape)
            found.append(state_bh)
            steps.append(saved)
        ctx.save_for_backward(input_weight_hg, mixture_njf, mask_bh)
        ctx.weights, ctx.steps, ctx.found = weights, steps, found
        ctx.shape, ctx.compiled = shape, compiled
        return torch.stack(found[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_tbh: Tensor) -> tuple[Tensor | None, ...]:
        input_weight_hg, mixture_njf, mask_bh = ctx.saved_tensors
        _, _, needs_input_weight, needs_node_weight, needs_mixture, *_ = ctx.needs_input_grad
        shape = ctx.shape._replace(needs_mixture=needs_mixture)
        step = _translated(_step_backward) if ctx.compiled else _step_backward
        gradients = _Gradients(input_weight_hg, ctx.weights, mixture_njf)
        product_gradients: list[Tensor] = []
        state_bh = torch.zeros_like(gradient_tbh[0])
        for time in reversed(range(len(gradient_tbh))):
            saved, before_bh = ctx.steps[time], ctx.found[time]
            given = step(
                gradient_tbh[time] + state_bh, before_bh, saved, input_weight_hg, ctx.weights, mixture_njf, mask_bh,
                shape,
            )  # fmt: skip
            state_bh = given.state_bh
            product_gradients.insert(0, given.products[0].flatten(1))
            if needs_input_weight or needs_node_weight:
                gradients.add_weights([before_bh, *saved.states], given.products, mask_bh)
            if needs_mixture:
                gradients.add_mixture(given.mixture)
        return (
            torch.stack(product_gradients),
            state_bh,
            gradients.input_weight_hg if needs_input_weight else None,
            gradients.node_weight_nhg() if needs_node_weight else None,
            gradients.mixture_njf if needs_mixture else None,
            None, None, None,
        )  # fmt: skip


class _Gradients:
    """The gradients of weights and mixture, to which each step adds its own.

    A product of all steps at once would be no faster, and would keep what every step gives until then.
    """

    def __init__(self, input_weight_hg: Tensor, weights: Sequence[Tensor], mixture_njf: Tensor) -> None:
        self._dtype = input_weight_hg.dtype
        self.input_weight_hg = torch.zeros_like(input_weight_hg, dtype=mixture_njf.dtype)
        self._weights = [torch.zeros_like(weight, dtype=mixture_njf.dtype) for weight in weights]
        self.mixture_njf = torch.zeros_like(mixture_njf)

    def add_weights(self, multiplied: Sequence[Tensor], products: Sequence[Tensor], mask_bh: Tensor | None) -> None:
        """Add products of what was multiplied by weights and the gradients of what came of it."""
        for total, state_bh, product in zip([self.input_weight_hg, *self._weights], multiplied, products, strict=False):
            factors = _masked(state_bh, mask_bh).t(), product.flatten(1)
            if self._dtype == total.dtype:
                total.addmm_(*factors)
            else:
                total += _product(factors[0], factors[1].to(self._dtype))

    def add_mixture(self, mixture: Sequence[Tensor]) -> None:
        """Add the gradients of the edges that leave each node."""
        for source, gradient_kf in enumerate(mixture):
            self.mixture_njf[source:, source] += gradient_kf

    def node_weight_nhg(self) -> Tensor:
        """Return the gradients of W1 to WN."""
        size = len(self._weights[0])
        total_h2nh = self._weights[0].view(size, 2, -1, size)
        for source, weight in enumerate(self._weights[1:], start=1):
            total_h2nh[:, :, source:] += weight.view(size, 2, -1, size)
        return total_h2nh.permute(2, 0, 1, 3).reshape(-1, size, 2 * size)


def _by_source(node_weight_nhg: Tensor) -> list[Tensor]:
    """Return the weights of all edges that leave each node side by side: all gates, then all candidates, (H, 2KH)."""
    num_nodes, size, _ = node_weight_nhg.shape
    weight_h2nh = node_weight_nhg.view(num_nodes, size, 2, size).permute(1, 2, 0, 3)
    return [weight_h2nh[:, :, source:].reshape(size, -1) for source in range(num_nodes)]


def _step(
    product_bg: Tensor,
    state_bh: Tensor,
    input_weight_hg: Tensor,
    weights: list[Tensor],
    mixture_njf: Tensor,
    mask_bh: Tensor | None,
    shape: Shape,
) -> tuple[Tensor, Saved]:
    """Take a step: return the output, and what the backward pass needs."""
    batch, size = state_bh.shape
    num_nodes = len(weights)
    first_b2h = (product_bg + _product(_masked(state_bh, mask_bh), input_weight_hg)).view(batch, 2, size)
    first_b2h[:, 0].sigmoid_()
    saved = Saved([], [], [first_b2h])
    sums: list[Tensor | None] = [None] * num_nodes
    sum_bh = torch.lerp(state_bh, _tanh(first_b2h[:, 1]), first_b2h[:, 0])
    for source in range(num_nodes + 1):
        node_bh = _normalised(sum_bh, saved) if shape.normalised else sum_bh
        saved.states.append(node_bh)
        if source == num_nodes:
            break
        product_b2kh = _product(_masked(node_bh, mask_bh), weights[source]).view(batch, 2, -1, size)
        saved.products.append(product_b2kh)
        value_bkh = _edge_values(node_bh, product_b2kh, mixture_njf[source:, source], shape)
        for node, value_bh in enumerate(value_bkh.unbind(dim=1), start=source):
            earlier_bh = sums[node]
            sums[node] = value_bh if earlier_bh is None else earlier_bh + value_bh
        next_bh = sums[source]  # all edges into the next node are there
        assert next_bh is not None
        sum_bh = next_bh
    return torch.stack(saved.states[1:]).mean(dim=0), saved


def _edge_values(node_bh: Tensor, product_b2kh: Tensor, weight_kf: Tensor, shape: Shape) -> Tensor:
    """What edges that leave a node give, (B, K, H); their gates are put in the place of the gates' arguments."""
    gate_bkh, candidate_bkh = product_b2kh.unbind(dim=1)
    gate_bkh.sigmoid_()
    mixed_bkh: Tensor | None = None
    for name, weight_k in zip(shape.activations, weight_kf.unbind(dim=1), strict=True):
        weight_k1, value_bkh = weight_k[:, None], _VALUES[name](candidate_bkh)
        mixed_bkh = weight_k1 * value_bkh if mixed_bkh is None else torch.addcmul(mixed_bkh, weight_k1, value_bkh)
    assert mixed_bkh is not None
    kept_bkh = weight_kf.sum(dim=1)[:, None] * node_bh[:, None]
    return torch.lerp(kept_bkh, mixed_bkh, gate_bkh)


def _step_backward(
    gradient_bh: Tensor,
    state_bh: Tensor,
    saved: Saved,
    input_weight_hg: Tensor,
    weights: list[Tensor],
    mixture_njf: Tensor,
    mask_bh: Tensor | None,
    shape: Shape,
) -> StepGradients:
    """Go back over a step from the gradient of its output; the state is the output before."""
    batch, _ = state_bh.shape
    num_nodes = len(weights)
    share_bh = gradient_bh / num_nodes
    sums: list[Tensor] = []  # gradients of the nodes' sums, from the next node on
    products: list[Tensor] = []
    mixtures: list[Tensor] = []
    node_gradient_bh = share_bh
    for source in reversed(range(num_nodes)):
        sums.insert(0, _norm_backward(node_gradient_bh, saved, source + 1, shape))
        kept_bh, product_gradient_b2kh, mixture_kf = _edge_gradients(
            torch.stack(sums, dim=1), saved.states[source], saved.products[source + 1], mixture_njf[source:, source],
            shape,
        )  # fmt: skip
        if mixture_kf is not None:
            mixtures.insert(0, mixture_kf)
        products.insert(0, product_gradient_b2kh)
        through_bh = _product(product_gradient_b2kh.view(batch, -1), weights[source].t())
        node_gradient_bh = _masked(through_bh, mask_bh) + kept_bh
        if source:
            node_gradient_bh = node_gradient_bh + share_bh
    sum_bh = _norm_backward(node_gradient_bh, saved, 0, shape)
    gate_bh, candidate_bh = saved.products[0][:, 0], _tanh(saved.products[0][:, 1])
    gated_bh = sum_bh * gate_bh
    rest_bh = sum_bh - gated_bh
    first_gradient_b2h = torch.stack(
        [rest_bh * gate_bh * (candidate_bh - state_bh), gated_bh * (1 - candidate_bh.square())], dim=1
    )
    through_bh = _product(first_gradient_b2h.view(batch, -1), input_weight_hg.t())
    return StepGradients(rest_bh + _masked(through_bh, mask_bh), [first_gradient_b2h, *products], mixtures)


def _edge_gradients(
    sum_bkh: Tensor, node_bh: Tensor, product_b2kh: Tensor, weight_kf: Tensor, shape: Shape
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Go back over `_edge_values`.

    Args:
        sum_bkh: gradients of the sums that the edges' values went into.
        node_bh: where the edges come from.
        product_b2kh: gates and candidates.
        weight_kf: of the functions.
        shape: of the step.

    Returns:
        The gradient of the node that does not pass its products, that of the arguments of gates and candidates, and
        that of the weights: None where it is not needed.
    """
    gate_bkh, candidate_bkh = product_b2kh.unbind(dim=1)
    gated_bkh = sum_bkh * gate_bkh
    rest_bkh = sum_bkh - gated_bkh
    total_k1 = weight_kf.sum(dim=1)[:, None]
    difference_bkh = -total_k1 * node_bh[:, None]  # of the mixed functions and what would be kept
    slope_bkh = torch.zeros_like(weight_kf[:, :1])
    of_functions = []
    for name, weight_k in zip(shape.activations, weight_kf.unbind(dim=1), strict=True):
        value_bkh = _VALUES[name](candidate_bkh)
        difference_bkh = torch.addcmul(difference_bkh, weight_k[:, None], value_bkh)
        slope_bkh = torch.addcmul(slope_bkh, weight_k[:, None], _SLOPES[name](value_bkh))
        if shape.needs_mixture:
            of_functions.append((gated_bkh * value_bkh).sum(dim=(0, 2)))
    gradient_b2kh = torch.stack([rest_bkh * gate_bkh * difference_bkh, gated_bkh * slope_bkh], dim=1)
    node_gradient_bh = (total_k1 * rest_bkh).sum(dim=1)
    if not shape.needs_mixture:
        return node_gradient_bh, gradient_b2kh, None
    kept_k = (rest_bkh * node_bh[:, None]).sum(dim=(0, 2))
    return node_gradient_bh, gradient_b2kh, torch.stack(of_functions, dim=1) + kept_k[:, None]


def _product(x_bh: Tensor, weight_hg: Tensor) -> Tensor:
    """Multiply in the type of the weights; the result is of that of the states."""
    return (x_bh.to(weight_hg.dtype) @ weight_hg).to(x_bh.dtype)


def _masked(state_bh: Tensor, mask_bh: Tensor | None) -> Tensor:
    return state_bh if mask_bh is None else state_bh * mask_bh


def _tanh(x: Tensor) -> Tensor:
    # By way of the sigmoid: torch's tanh takes five times as long on a CPU.
    return (2 * x).sigmoid_().mul_(2).sub_(1)


_VALUES: dict[str, Callable[[Tensor], Tensor]] = {**FUNCTIONS, "tanh": _tanh}

_SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda value: 1 - value.square(),
    "relu": torch.sign,
    "sigmoid": lambda value: value - value.square(),
    "identity": lambda value: value.new_ones(()),
}
"""Derivatives of the functions, from their values."""


def _normalised(sum_bh: Tensor, saved: Saved) -> Tensor:
    centred_bh = sum_bh - sum_bh.mean(dim=0)
    spread_h = (centred_bh.square().mean(dim=0) + NORM_EPSILON).rsqrt()
    saved.spreads.append(spread_h)
    return centred_bh * spread_h


def _norm_backward(gradient_bh: Tensor, saved: Saved, node: int, shape: Shape) -> Tensor:
    if not shape.normalised:
        return gradient_bh
    node_bh = saved.states[node]
    along_bh = node_bh * (gradient_bh * node_bh).mean(dim=0)
    return saved.spreads[node] * (gradient_bh - gradient_bh.mean(dim=0) - along_bh)


_TRANSLATED: dict[Callable[..., Any], Callable[..., Any]] = {}


def _translated(step: Callable[..., Any]) -> Callable[..., Any]:
    if step not in _TRANSLATED:
        _TRANSLATED[step] = torch.compile(step, dynamic=False, fullgraph=True)
    return _TRANSLATED[step]
