"""The fast form of the cell is the plain one, and the plain one is the paper's."""

import pytest
import torch
from torch import nn

from benchmarks.darts import recurrent_step
from cell_networks.recurrent import RecurrentCell
from darts_genotype.activations import ACTIVATIONS
from darts_genotype.recurrent import RecurrentGenotype
from darts_trainer.recurrent import fused_cell, plain_cell

T, B, H, N = 3, 4, 5, 4


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    inputs = [normal(T, B, H), normal(B, H), normal(2 * H, 2 * H), normal(N, H, 2 * H), normal(N, N, 4).softmax(-1)]
    masks = {"x_mask_bh": normal(B, H), "state_mask_bh": normal(B, H)}
    return [tensor.requires_grad_() for tensor in inputs], masks


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
def test_the_fast_form_is_the_plain_one_with_all_gradients(normalised, is_masked):
    inputs, masks = draw()
    masks = masks if is_masked else {}
    plain, fused = (
        form.outputs(*inputs, ACTIVATIONS, **masks, normalised=normalised) for form in (plain_cell, fused_cell)
    )
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-10)
    weight = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for found, expected in zip(
        torch.autograd.grad((fused * weight).sum(), inputs),
        torch.autograd.grad((plain * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
        assert expected.abs().max() > 1e-4


@pytest.mark.parametrize("activations", [("relu",), ("identity", "tanh"), ("sigmoid", "relu", "tanh")])
def test_any_choice_of_functions(activations):
    (*inputs, mixture), masks = draw()
    mixture = mixture.detach()[..., : len(activations)].clone().requires_grad_()
    results = [form.outputs(*inputs, mixture, activations, **masks) for form in (plain_cell, fused_cell)]
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(result.square().sum(), [*inputs, mixture]) for result in results]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


def test_the_fast_form_is_the_published_one():
    """As quark0's code has it: a node at a time, by torch's batch norm; written apart from ours."""
    inputs, _ = draw()
    mask_bh = torch.rand(B, H, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    masks = {"x_mask_bh": mask_bh, "state_mask_bh": mask_bh}
    published = recurrent_step.published(*inputs, mask_bh)
    torch.testing.assert_close(fused_cell.outputs(*inputs, ACTIVATIONS, **masks), published, rtol=0, atol=1e-10)


def test_the_fast_form_against_differences():
    inputs, masks = draw()
    assert torch.autograd.gradcheck(
        lambda *given: fused_cell.outputs(*given, ACTIVATIONS, **masks), [tensor[..., :] for tensor in inputs]
    )


@pytest.mark.parametrize("wanted", [(0, 1, 2, 3), (4,), (2, 3, 4)])
def test_gradients_that_nobody_asks_for_change_no_others(wanted):
    inputs, masks = draw()
    everything = torch.autograd.grad(fused_cell.outputs(*inputs, ACTIVATIONS, **masks).square().sum(), inputs)
    given = [tensor if place in wanted else tensor.detach() for place, tensor in enumerate(inputs)]
    some = torch.autograd.grad(
        fused_cell.outputs(*given, ACTIVATIONS, **masks).square().sum(), [given[place] for place in wanted]
    )
    torch.testing.assert_close(some, tuple(everything[place] for place in wanted), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", [plain_cell, fused_cell])
def test_large_arguments_stay_finite(form):
    inputs, masks = draw()
    large = [inputs[0], inputs[1], *(1000 * tensor.detach().float() for tensor in inputs[2:4]), inputs[4]]
    large = [tensor.detach().float().requires_grad_() for tensor in large]
    masks = {name: mask.float() for name, mask in masks.items()}
    found = form.outputs(*large, ACTIVATIONS, **masks)
    gradients = torch.autograd.grad(found.sum(), large)
    assert all(tensor.isfinite().all() for tensor in (found, *gradients))


@pytest.mark.parametrize("form", [plain_cell, fused_cell])
def test_a_decided_mixture_without_norms_is_the_derived_cell(form):
    inputs, masks = draw()
    nodes = (("tanh", 0), ("relu", 1), ("identity", 0), ("sigmoid", 2))
    mixture = torch.zeros(N, N, 4, dtype=torch.float64)
    for node, (activation, source) in enumerate(nodes):
        mixture[node, source, ACTIVATIONS.index(activation)] = 1
    cell = RecurrentCell(RecurrentGenotype.of(*nodes), H)
    cell.input_weight_hg, cell.node_weight_nhg = (nn.Parameter(weight.detach().clone()) for weight in inputs[2:4])
    found = form.outputs(*inputs[:4], mixture, ACTIVATIONS, **masks, normalised=False)
    expected = cell(*inputs[:2], *masks.values())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_batch_norm_is_torchs_without_what_it_learns():
    x_bh = draw()[0][1]
    expected = nn.functional.batch_norm(x_bh, None, None, training=True)
    torch.testing.assert_close(plain_cell.batch_norm(x_bh), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", [plain_cell, fused_cell])
def test_a_text_in_two_pieces_is_the_text_in_one(form):
    inputs, masks = draw()
    x_tbh, state_bh, *weights = inputs
    whole = form.outputs(x_tbh, state_bh, *weights, ACTIVATIONS, **masks)
    first = form.outputs(x_tbh[:2], state_bh, *weights, ACTIVATIONS, **masks)
    second = form.outputs(x_tbh[2:], first[-1], *weights, ACTIVATIONS, **masks)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-14, atol=1e-14)


def test_bfloat16_is_near():
    inputs = [tensor.detach().float().requires_grad_() for tensor in draw()[0]]
    exact = fused_cell.outputs(*inputs, ACTIVATIONS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = fused_cell.outputs(*inputs, ACTIVATIONS)
    assert near.dtype == torch.float32
    assert 1e-4 < (near - exact).abs().max() < 0.3
    gradients = torch.autograd.grad(near.sum(), inputs)
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in gradients)
