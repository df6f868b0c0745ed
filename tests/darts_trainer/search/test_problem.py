"""A problem of another kind than pictures: a linear recurrence over numbers, whose state goes from batch to batch."""

import contextlib
import io
import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from darts_service.settings import DartsSettings
from darts_trainer.search.loop import Search
from darts_trainer.search.problem import Pass
from trial_runtime.processes.processes import ALONE

SETTINGS = DartsSettings(num_epochs=3, w_lr=0.05, alpha_lr=0.05, w_grad_clip=0.0)
LENGTH = 4


class Text:
    """Consecutive pieces of a sequence, each with a mask that is drawn with it: all passes of a step see the same."""

    def __init__(self, num_pieces, seed):
        self._generator = torch.Generator().manual_seed(seed)
        self._pieces = torch.sin(torch.arange(num_pieces * LENGTH + 1) / 3)
        self._num_pieces = num_pieces
        self._next = 0
        self._is_within_pass = False

    def __len__(self):
        return self._num_pieces

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        if not self._is_within_pass:
            self._next = 0
        self._is_within_pass = False
        while self._next < len(self):
            start = self._next * LENGTH
            self._next += 1
            piece = self._pieces[start : start + LENGTH + 1]
            yield piece[:-1], piece[1:], (torch.rand(LENGTH, generator=self._generator) < 0.8).float() / 0.8

    def state_dict(self):
        return {"next": self._next, "generator": self._generator.get_state()}

    def load_state_dict(self, state, *, is_within_pass):
        self._next, self._is_within_pass = state["next"], is_within_pass
        self._generator.set_state(state["generator"])


class Perplexity(float):
    """Of a pass."""

    def __str__(self) -> str:
        return f"perplexity {float(self):.2f}"


class PerplexityTally:
    def __init__(self):
        self._losses = torch.zeros(0, dtype=torch.float64)

    def __len__(self):
        return len(self._losses)

    def add(self, loss):
        self._losses = torch.cat([self._losses, loss.double()[None]])

    def means(self):
        return Perplexity(math.exp(self._losses.mean()))

    def state_dict(self):
        return {"losses": self._losses}

    def load_state_dict(self, state, /):
        self._losses = state["losses"]


class Recurrence:
    """Predicts the next number by one that it carries, mixed of two activations."""

    examples = "numbers"
    examples_per_step = LENGTH
    processes = ALONE
    replays = False

    def __init__(self):
        self.training, self.architecture = Text(6, seed=1), Text(4, seed=2)
        self._weight, self._alpha = nn.Parameter(torch.tensor([0.3, 0.2])), nn.Parameter(torch.zeros(2))
        self.carried = {"training": torch.zeros(()), "architecture": torch.zeros(())}
        self.seen = []
        self._is_passing = False

    def weights(self):
        return [self._weight]

    def alphas(self):
        return [self._alpha]

    def begin_epoch(self, epoch, num_epochs):
        if self.training._next == len(self.training):  # the text begins again
            self.carried["training"] = torch.zeros(())

    def step_size(self, batch):
        return 1.0

    def training_pass(self, batch):
        loss, last = self._run(batch, self.carried["training"])
        self.seen.append((self._is_passing, batch[2].tolist(), self.carried["training"].item()))
        if not self._is_passing:
            self.carried["training"] = last
        return Pass(loss, (loss.detach(),))

    def validation_loss(self, batch):
        loss, self.carried["architecture"] = self._run(batch, self.carried["architecture"])
        return loss

    def _run(self, batch, state):
        share_tanh, share_identity = self._alpha.softmax(dim=0)
        losses = []
        for number, target, mask in zip(*batch, strict=True):
            mixed = self._weight[0] * state + self._weight[1] * number * mask
            state = share_tanh * torch.tanh(mixed) + share_identity * mixed
            losses.append((state - target).square())
        return torch.stack(losses).mean(), state.detach()

    @contextlib.contextmanager
    def passing(self):
        self._is_passing = True
        yield
        self._is_passing = False

    def tally(self, name, remedy):
        return PerplexityTally()

    def validate(self, name, remedy):
        with torch.no_grad():
            loss, _ = self._run(next(iter(Text(1, seed=3))), torch.zeros(()))
        return Perplexity(math.exp(loss))

    def join(self):
        """One process has nothing to join."""

    def state_dict(self):
        return {"weight": self._weight.detach().clone(), "alpha": self._alpha.detach().clone(), **self.carried}

    def load_state_dict(self, state):
        with torch.no_grad():
            self._weight.copy_(state["weight"])
            self._alpha.copy_(state["alpha"])
        self.carried = {name: state[name] for name in self.carried}


def test_it_learns_and_measures_what_its_problem_measures():
    problem = Recurrence()
    epochs = list(Search(problem, SETTINGS, order=2))
    assert epochs[-1].validation < epochs[0].validation
    assert str(epochs[-1].validation).startswith("perplexity 1.")
    assert problem.alphas()[0].abs().min() > 0


@pytest.mark.parametrize(("order", "passes"), [(1, 0), (2, 3)])
def test_all_training_passes_of_a_step_see_one_mask_and_one_state_and_the_weight_step_carries_it_on(order, passes):
    problem = Recurrence()
    for _ in Search(problem, SETTINGS, order=order):
        break
    steps = [problem.seen[first : first + passes + 1] for first in range(0, len(problem.seen), passes + 1)]
    assert len(steps) == len(problem.training)
    for step in steps:
        assert [is_passing for is_passing, *_ in step] == [True] * passes + [False]
        assert all(one[1:] == step[0][1:] for one in step)
    states = [step[0][2] for step in steps]
    assert states[0] == 0.0
    assert len(set(states)) == len(states)


class Left(Exception):
    """Stands in for whatever ends a process."""


@pytest.mark.parametrize("left_at", [1, 4, 6])
def test_left_within_an_epoch_it_is_gone_on_with_to_the_bit(left_at):
    saved = io.BytesIO()

    def leave(search):
        if search.step == left_at:
            torch.save(search.state_dict(), saved)
            raise Left

    whole = Search(Recurrence(), SETTINGS, order=2)
    expected = list(whole)
    with contextlib.suppress(Left):
        list(Search(Recurrence(), SETTINGS, order=2, after_step=leave))
    saved.seek(0)
    gone_on_with = Search(Recurrence(), SETTINGS, order=2)
    gone_on_with.load_state_dict(torch.load(saved, weights_only=True))
    assert list(gone_on_with) == expected
    ours, theirs = gone_on_with.state_dict()["supernet"], whole.state_dict()["supernet"]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
