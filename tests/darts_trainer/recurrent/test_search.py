"""The search on text: the step of images, with masks that are shared, states that go on, and clipping ahead."""

import math
from dataclasses import replace
from itertools import islice

import pytest
import torch

from darts_trainer.search.bilevel import WeightStep, unrolled_alpha_gradient
from trial_runtime.gradients import shortening
from trial_runtime.text import grammar

from .conftest import SETTINGS

RATE, DECAY, MAX_NORM = 2.0, 1e-3, 0.25


def batches(problem):
    return next(iter(problem.training)), next(iter(problem.architecture))


def weight_step(problem, max_norm=MAX_NORM):
    return WeightStep(
        learning_rate=torch.tensor(RATE, dtype=torch.float64),
        momentum=0.0,
        weight_decay=DECAY,
        momentum_buffers=[torch.zeros_like(weight) for weight in problem.weights()],
        max_norm=max_norm,
    )


def exact_alpha_gradient(problem, batch, other, max_norm):
    """Autograd's, through the weight step itself: by a double backward pass of the plain form."""
    supernet, weights = problem._supernet, problem.weights()
    names = [name for name, _ in supernet.named_parameters() if name != "alpha_eo"]
    gradients = torch.autograd.grad(problem.training_pass(batch).loss, weights, create_graph=True)
    share = shortening(gradients, max_norm).detach() if max_norm else 1.0
    ahead = {
        name: weight - RATE * (share * gradient + DECAY * weight)
        for name, weight, gradient in zip(names, weights, gradients, strict=True)
    }
    loss = torch.func.functional_call(
        Validation(problem), {f"supernet.{name}": w for name, w in ahead.items()}, (other,)
    )
    return torch.autograd.grad(loss, problem.alphas())[0]


class Validation(torch.nn.Module):
    def __init__(self, problem):
        super().__init__()
        self.problem, self.supernet = problem, problem._supernet

    def forward(self, batch):
        return self.problem.validation_loss(batch)


@pytest.mark.parametrize("max_norm", [MAX_NORM, 0.0])
@pytest.mark.parametrize("plain", [True, False])
def test_the_unrolled_gradient_is_that_of_a_double_backward_pass(reading, max_norm, plain):
    reference = reading(dtype=torch.float64, plain=True)
    expected = exact_alpha_gradient(reference, *batches(reference), max_norm)
    problem = reading(dtype=torch.float64, plain=plain)
    batch, other = batches(problem)
    with problem.passing():
        (found,) = unrolled_alpha_gradient(
            problem.weights(),
            problem.alphas(),
            lambda: problem.training_pass(batch).loss,
            lambda: problem.validation_loss(other),
            step=weight_step(problem, max_norm),
            epsilon_scale=1e-6,  # small enough for the norms of states that hardly differ yet
        )
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 1e-4 * scale
    with problem.passing():
        (first,) = torch.autograd.grad(problem.validation_loss(other), problem.alphas())
    assert (first - expected).abs().max() > 1e-2 * scale, "the step ahead matters"


def test_new_masks_in_each_pass_would_be_another_gradient(reading):
    """The published code's fault: the difference then is that of two draws, not of two places."""
    problem = reading(dtype=torch.float64)
    iterator = iter(problem.training)
    batch, other_masks = next(iterator), next(iterator)
    redrawn = (*batch[:3], *other_masks[3:])
    assert len(batch[0]) == len(redrawn[0])
    with problem.passing():
        same, new = (
            torch.autograd.grad(problem.training_pass(given).loss, problem.alphas())[0] for given in (batch, redrawn)
        )
    assert (same - new).norm() > 0.1 * same.norm()


def test_embedding_and_decoder_move_in_the_look_ahead_and_all_weights_are_back_afterwards(reading):
    problem = reading()
    batch, other = batches(problem)
    before = [weight.detach().clone() for weight in problem.weights()]
    seen = {}

    def validation_loss():
        seen.update((name, weight.detach().clone()) for name, weight in problem._supernet.model.named_parameters())
        return problem.validation_loss(other)

    with problem.passing():
        unrolled_alpha_gradient(
            problem.weights(),
            problem.alphas(),
            lambda: problem.training_pass(batch).loss,
            validation_loss,
            step=weight_step(problem),
        )
    assert all(torch.equal(weight, old) for weight, old in zip(problem.weights(), before, strict=True))
    moved = [name for (name, weight), old in zip(seen.items(), before, strict=True) if not torch.equal(weight, old)]
    assert moved == [name for name, _ in problem._supernet.model.named_parameters()]
    assert {"embedding_vh", "decoder_bias_v"} <= set(moved)


def test_a_shorter_window_takes_a_smaller_step(search):
    found = search()
    problem = found._problem
    batch, _ = batches(problem)
    short = (batch[0][:3], batch[1][:3], *batch[2:])
    assert (problem.step_size(batch), problem.step_size(short)) == (1.0, 0.5)
    before = problem.weights()[0].detach().clone()
    gradients = torch.autograd.grad(problem.training_pass(short).loss, problem.weights())
    share = shortening(gradients, 0.25)
    problem._training_state_lbh.zero_()
    found._optimiser.weight_step(problem.training_pass(short).loss, size=0.5)
    torch.testing.assert_close(problem.weights()[0], before - 2.0 * 0.5 * (share * gradients[0] + 1e-3 * before))


def test_states_go_on_from_window_to_window_and_passes_on_the_way_leave_none(reading):
    problem = reading()
    iterator = iter(problem.training)
    first, second = islice(iterator, 2)
    with problem.passing():
        problem.training_pass(first)
    assert not problem._training_state_lbh.any()
    problem.training_pass(first)
    left_lbh = problem._training_state_lbh.clone()
    assert left_lbh.any()
    with problem.passing():
        loss = problem.training_pass(second).loss
        problem._training_state_lbh.zero_()
        assert loss != problem.training_pass(second).loss
        # At the start of the text nothing is before it, whatever is left.
        without = problem.training_pass(first).loss
        problem._training_state_lbh.copy_(left_lbh)
        assert without == problem.training_pass(first).loss
    assert not problem._architecture_state_lbh.any()
    problem.validation_loss(next(iter(problem.architecture)))
    assert problem._architecture_state_lbh.any()


def test_validation_reads_the_whole_part_from_its_start_and_changes_nothing(reading):
    problem = reading()
    before = [tensor.clone() for tensor in (problem._training_state_lbh, problem._architecture_state_lbh)]
    found = problem.validate("epoch 1, validation", "")
    assert found == problem.validate("epoch 1, validation", "")
    assert 1 < found.perplexity < 2 * len(problem._supernet.model.embedding_vh)
    assert all(map(torch.equal, before, (problem._training_state_lbh, problem._architecture_state_lbh)))


@pytest.mark.parametrize("order", [1, 2])
def test_a_search_goes_on_to_the_bit_wherever_it_was_left(search, order):
    states = []
    whole = search(order=order, after_step=lambda found: states.append((found.step, copied(found.state_dict()))))
    expected = list(whole)
    steps = [step for step, _ in states]
    assert steps[0] == 1
    assert steps.count(1) == 2
    for place in (0, len(steps) // 2 - 1, len(steps) - 2):
        again = search(order=order, seed=7)
        again.load_state_dict(states[place][1])
        rest = list(again)
        assert rest == expected[-len(rest) :]
        for found, wanted in zip(
            again._problem._supernet.parameters(), whole._problem._supernet.parameters(), strict=True
        ):
            assert torch.equal(found, wanted)


def copied(state):
    if isinstance(state, dict):
        return {name: copied(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(map(copied, state))
    return state.clone() if isinstance(state, torch.Tensor) else state


def test_the_fast_form_searches_as_the_plain_one(search):
    short = replace(SETTINGS, num_epochs=1)
    fast, plain = (search(plain=plain, dtype=torch.float64, settings=short) for plain in (False, True))
    for found, expected in zip(fast, plain, strict=True):
        assert found.training.loss == pytest.approx(expected.training.loss, rel=1e-8)
        assert found.validation.loss == pytest.approx(expected.validation.loss, rel=1e-8)
    torch.testing.assert_close(
        fast._problem._supernet.alpha_eo, plain._problem._supernet.alpha_eo, rtol=1e-6, atol=1e-8
    )


def test_both_orders_learn_and_move_the_alphas(search):
    for order in (1, 2):
        found = search(order=order)
        start = found._problem.alphas()[0].detach().clone()
        epochs = list(found)
        assert epochs[-1].validation.loss < math.log(127)
        assert epochs[-1].validation.perplexity > math.exp(grammar.entropy_per_token())
        assert (found._problem.alphas()[0] - start).abs().max() > 0.05
