"""What a search on text reads: windows of both parts, each with a draw of what dropout multiplies by."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from cell_networks.language_model import DropoutRates, LanguageModel, Masks
from trial_runtime import seeds
from trial_runtime.processes.processes import ALONE, Processes
from trial_runtime.text.batches import Exactly, FollowingBatches, Steady, Text, TextBatches, Window
from trial_runtime.text.corpora import Corpus

Batch = tuple[Tensor, ...]
"""The tensors of a window, then the masks that are not None."""

MASKS = len(Window._fields)
"""Where the masks begin."""


class MaskedBatches:
    """Windows with masks, one draw each: all passes over a batch see the same.

    Args:
        windows: of a text.
        draw: draws the masks of a batch.
        generator: that it draws with; on the CPU.
    """

    def __init__(
        self,
        windows: TextBatches | FollowingBatches,
        draw: Callable[[torch.Generator], Masks],
        generator: torch.Generator,
    ) -> None:
        self._windows = windows
        self._draw = draw
        self._generator = generator

    def __len__(self) -> int:
        """Windows of a pass."""
        return len(self._windows)

    def __iter__(self) -> Iterator[Batch]:
        """Start a pass, as the windows do."""
        for window in self._windows:
            yield (*window, *(mask for mask in self._draw(self._generator) if mask is not None))

    def state_dict(self) -> dict[str, Any]:
        """See `TextBatches.state_dict`."""
        return {"windows": self._windows.state_dict(), "masks": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any], *, is_within_pass: bool) -> None:
        """See `TextBatches.load_state_dict`."""
        self._windows.load_state_dict(state["windows"], is_within_pass=is_within_pass)
        self._generator.set_state(state["masks"])


class SearchText:
    """Both parts of a text: the weights learn from its training part, the alphas from its validation part.

    The alphas' windows are as long as the weights', and have a place in the text of their own.

    Args:
        corpus: the text.
        batch_size: columns of a batch, from each part; those of all processes together.
        bptt: words of a window; one in twenty has half of them.
        rates: of dropout.
        model: that reads it; for the masks.
        device: where the batches are.
        seed: of lengths and masks.
        processes: those that share the batches.

    Raises:
        DatasetError: a part has too few words for a batch.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        batch_size: int,
        bptt: int,
        rates: DropoutRates,
        model: LanguageModel,
        device: torch.device,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        def text(words_n: Tensor, name: str) -> Text:
            return Text(words_n, batch_size, name=name, device=device, processes=processes)

        def draw(generator: torch.Generator) -> Masks:
            return Masks.draw(rates, model, batch_size, generator, processes.share(batch_size))

        training = TextBatches(text(corpus.train_n, "training"), Steady(bptt=bptt), seeds.generator(seed, "lengths"))
        valid = text(corpus.valid_n, "validation")
        self.training = MaskedBatches(training, draw, seeds.generator(seed, "weight masks"))
        self.architecture = MaskedBatches(
            FollowingBatches(valid, training), draw, seeds.generator(seed, "architecture masks")
        )
        self.validation = TextBatches(valid, Exactly(bptt))
        self.batch_size = batch_size
        self.bptt = bptt
        self.rates = rates
        self.processes = processes
