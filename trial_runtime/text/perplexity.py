"""How well a language model does over a pass: the perplexity of what it reads.

Shape suffixes: s steps.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trial_runtime.errors import TrainingDiverged
from trial_runtime.processes.processes import Processes

_MAX_EXPONENT = 700.0
"""The exponential of more is no finite number: such a model is as bad as can be told."""


class Perplexity(NamedTuple):
    """Over the words of a pass."""

    loss: float
    """Mean cross entropy, in nats."""

    @property
    def perplexity(self) -> float:
        """As many words, all equally likely, would be as hard to guess."""
        return math.exp(min(self.loss, _MAX_EXPONENT))

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}, perplexity {self.perplexity:.2f}"


class TextTally:
    """Losses of a pass, kept on the device; processes keep their own until a mean is asked for.

    Args:
        name: of the pass, such as ``epoch 1, training``.
        processes: those that share its batches.
        remedy: what may help against a loss that is not finite, as a clause.
    """

    def __init__(self, name: str, processes: Processes, remedy: str) -> None:
        self._name = name
        self._processes = processes
        self._remedy = remedy
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._before_s2 = torch.zeros(0, 2, dtype=torch.float64)

    def __len__(self) -> int:
        """Batches so far."""
        return len(self._before_s2) + len(self._sizes)

    def add(self, loss: Tensor, next_tb: Tensor) -> None:
        """Add this process's share of a batch, with the mean loss over the words that were to be guessed."""
        self._losses.append(loss.detach())
        self._sizes.append(next_tb.numel())

    def means(self) -> Perplexity:
        """Return the mean over all words so far, those of all processes; each of them must call this.

        Raises:
            TrainingDiverged: a loss is not finite; the message names the first.
        """
        sum_s, size_s = self._joint().unbind(dim=1)
        for step in (~sum_s.isfinite()).nonzero().flatten().tolist():
            loss = sum_s[step] / size_s[step]
            raise TrainingDiverged(f"{self._name} step {step + 1}: the loss is {loss:g}; {self._remedy}")
        return Perplexity(float(sum_s.sum() / size_s.sum()))

    def state_dict(self) -> dict[str, Any]:
        """Return sums over each batch so far, those of all processes; each of them must call this."""
        return {"sums": self._joint()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Count what another tally of the same pass had counted as well; for a fresh one.

        Raises:
            ValueError: the state is none.
        """
        sums_s2 = state["sums"]
        if sums_s2.dim() != 2 or sums_s2.shape[1] != 2:
            raise ValueError(f"a tally has two columns, not {tuple(sums_s2.shape)}")
        self._before_s2 = sums_s2.double()

    def _joint(self) -> Tensor:
        if not self._sizes:
            return self._before_s2
        size_s = torch.tensor(self._sizes, dtype=torch.float64)
        own_s2 = torch.stack([torch.stack(self._losses).cpu().double() * size_s, size_s], dim=1)
        (joint_s2,) = self._processes.add_up([own_s2])
        return torch.cat([self._before_s2, joint_s2])
