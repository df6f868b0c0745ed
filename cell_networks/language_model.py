"""A language model: words become vectors, recurrent cells read them in turn, and the vectors tell the next word.

What dropout draws is handed in: a pass is a function of its arguments, and several passes can share a draw.

Shape suffixes: t steps, b batch, h hidden units, l layers, v words of the vocabulary.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trial_runtime.devices.precision import autocast

INITIAL_RANGE = 0.04
"""Weights begin between minus and plus this, all alike (quark0/darts)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DropoutRates:
    """Probabilities with which dropout sets numbers to zero; those that stay grow in proportion (1708.02182)."""

    output: float = 0.0
    """Of the last cell's outputs."""
    state: float = 0.0
    """Of a cell's states, wherever one meets a matrix."""
    input: float = 0.0
    """Of a cell's inputs."""
    embedded: float = 0.0
    """Of the words' vectors."""
    word: float = 0.0
    """Of a word's whole vector, wherever the word stands."""

    def drops(self) -> list[bool]:
        """Which of the fields of `Masks` are drawn at these rates."""
        return [rate > 0 for rate in (self.output, self.state, self.input, self.embedded, self.word)]


class Masks(NamedTuple):
    """What dropout multiplies by in a pass, the same in each step; None for nothing."""

    output_bh: Tensor | None
    state_lbh: Tensor | None
    input_lbh: Tensor | None
    embedded_bh: Tensor | None
    word_v: Tensor | None

    @classmethod
    def draw(
        cls,
        rates: DropoutRates,
        model: "LanguageModel",
        batch_size: int,
        generator: torch.Generator,
        share: slice = slice(None),
    ) -> "Masks":
        """Draw for a batch.

        Args:
            rates: of dropout.
            model: that the masks are for.
            batch_size: columns of the joint batch.
            generator: on the CPU.
            share: the columns of this process; what is drawn is the same whatever it is.
        """
        size, device = model.hidden_size, model.embedding_vh.device

        def mask(rate: float, *shape: int) -> Tensor | None:
            if rate == 0:
                return None
            return (torch.rand(*shape, generator=generator) >= rate) / (1 - rate)

        def columns(rate: float, *layers: int) -> Tensor | None:
            drawn = mask(rate, *layers, batch_size, size)
            return None if drawn is None else drawn[..., share, :].to(device)

        word_v = mask(rates.word, len(model.embedding_vh))
        return cls(
            output_bh=columns(rates.output),
            state_lbh=columns(rates.state, model.num_layers),
            input_lbh=columns(rates.input, model.num_layers),
            embedded_bh=columns(rates.embedded),
            word_v=None if word_v is None else word_v.to(device),
        )


NO_MASKS = Masks(None, None, None, None, None)
"""Nothing is dropped."""

Cell = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
"""From inputs (T, B, H), the output before the first step (B, H), and masks of both, to outputs (T, B, H)."""


class Read(NamedTuple):
    """What a language model makes of words."""

    logits_tbv: Tensor
    """Of the word that follows each."""
    outputs_tbh: Tensor
    """Of the last cell, before dropout."""
    state_lbh: Tensor
    """Outputs of all cells at the last step: the next pass goes on from them."""


class Words(Protocol):
    """A part of a text, of several columns."""

    @property
    def words_tb(self) -> Tensor:
        """int64, (T, B)."""

    @property
    def next_tb(self) -> Tensor:
        """The words that follow them."""


W = TypeVar("W", bound=Words)


class LanguageModel(nn.Module):
    """Recurrent cells, one above the other, between an embedding and a decoder that share one matrix (1608.05859).

    Args:
        cells: as `Cell`, modules; their parameters are drawn anew.
        vocabulary_size: words.
        hidden_size: units of vectors and states.
        generator: on the CPU; draws the weights.
        precision: that the passes compute in, see `trial_runtime.devices.precision`.
    """

    def __init__(
        self,
        cells: Sequence[nn.Module],
        vocabulary_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self._precision = precision
        self.embedding_vh = nn.Parameter(torch.empty(vocabulary_size, hidden_size))
        self.cells = nn.ModuleList(cells)
        for weight in self.parameters():
            nn.init.uniform_(weight, -INITIAL_RANGE, INITIAL_RANGE, generator=generator)
        self.decoder_bias_v = nn.Parameter(torch.zeros(vocabulary_size))

    @property
    def num_layers(self) -> int:
        """Cells, one above the other."""
        return len(self.cells)

    @property
    def multiply_adds(self) -> int:
        """Of a word, where the cells are those of a genotype: its vector is looked up, and every other weight used."""
        return sum(weight.numel() for weight in self.cells.parameters()) + self.embedding_vh.numel()

    def step(self) -> tuple["Step", int, tuple[int, int]]:
        """What an export and a measurement of the latency need: the model for a step, V, and (L, H)."""
        return Step(self), len(self.embedding_vh), (self.num_layers, self.hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        """Return the state before a text, (L, B, H): zeros."""
        return self.embedding_vh.new_zeros(self.num_layers, batch_size, self.hidden_size)

    def forward(self, words_tb: Tensor, state_lbh: Tensor, masks: Masks = NO_MASKS, *arguments: Tensor) -> Read:
        """Read on in a text.

        Args:
            words_tb: int64.
            state_lbh: that the words before have left.
            masks: of dropout.
            arguments: what each cell takes beside those of `Cell`.
        """
        with autocast(self._precision, words_tb.device):
            layer_tbh = self._embedded(words_tb, masks)
            states = []
            for layer, cell in enumerate(self.cells):
                input_mask_bh, state_mask_bh = (
                    None if mask is None else mask[layer] for mask in (masks.input_lbh, masks.state_lbh)
                )
                layer_tbh = cell(layer_tbh, state_lbh[layer], input_mask_bh, state_mask_bh, *arguments)
                states.append(layer_tbh[-1])
            output_tbh = layer_tbh if masks.output_bh is None else layer_tbh * masks.output_bh
            logits_tbv = functional.linear(output_tbh, self.embedding_vh, self.decoder_bias_v)
        # What autocast has computed in bfloat16, a loss adds up in float32.
        logits_tbv = logits_tbv.to(self.embedding_vh.dtype)
        return Read(logits_tbv, layer_tbh, torch.stack(states))

    @torch.no_grad()
    def losses(self, windows: Iterable[W]) -> Iterator[tuple[W, Tensor]]:
        """Read a text from window to window; yield each with its mean cross entropy, in nats."""
        state_lbh = None
        for window in windows:
            if state_lbh is None:
                state_lbh = self.initial_state(window.words_tb.shape[1])
            read = self(window.words_tb, state_lbh)
            yield window, cross_entropy(read, window.next_tb)
            state_lbh = read.state_lbh

    def _embedded(self, words_tb: Tensor, masks: Masks) -> Tensor:
        embedded_tbh = functional.embedding(words_tb, self.embedding_vh)
        if masks.word_v is not None:
            embedded_tbh = embedded_tbh * masks.word_v[words_tb, None]
        return embedded_tbh if masks.embedded_bh is None else embedded_tbh * masks.embedded_bh


class Step(nn.Module):
    """A language model that reads a word of each of several texts: what is exported, and timed.

    Args:
        model: that reads.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, words_b: Tensor, state_lbh: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of the next word, (B, V), and the state after the one that was read."""
        read = self.model(words_b[None], state_lbh)
        return read.logits_tbv[0], read.state_lbh


def cross_entropy(read: Read, next_tb: Tensor) -> Tensor:
    """Return the mean over all words of the cross entropy of what follows them, in nats."""
    return functional.cross_entropy(read.logits_tbv.flatten(0, 1), next_tb.flatten())


def slowness(read: Read) -> Tensor:
    """Return the mean square of how outputs change from step to step (1708.01009); 0 where there is a single step."""
    changes_tbh = read.outputs_tbh[1:] - read.outputs_tbh[:-1]
    return changes_tbh.square().sum() / max(1, changes_tbh.numel())
