"""Batches of text that stay on the device: columns of one long text, read side by side from window to window.

Legend of shapes: n words, r rows, b columns of the batch, t steps of a window.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from trial_runtime.errors import DatasetError
from trial_runtime.processes.processes import ALONE, Processes

EVALUATED_COLUMNS = 10
"""Columns that an evaluation reads side by side (quark0/darts); fewer where a text is short."""


class Window(NamedTuple):
    """What is read at once; the next window of the same text goes on where it ends."""

    words_tb: Tensor
    """int64, (T, B)."""
    next_tb: Tensor
    """The words that follow them."""
    carries: Tensor
    """A number: 1 where the state of a network is handed on from the window before, 0 where there is none before."""


class Lengths(Protocol):
    """How long the windows of a text are."""

    def draw(self, generator: torch.Generator) -> int:
        """Return the length of the next window, >= 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Steady:
    """Windows of one length, and now and then one of half of it: so a word does not always stand at the same place.

    As in the search of quark0/darts, where a window in twenty is halved (arXiv 1708.02182, section 5).
    """

    bptt: int
    """Steps through which gradients go."""
    half_probability: float = 0.05

    def draw(self, generator: torch.Generator) -> int:
        """See `Lengths`; a number is drawn even where it cannot matter."""
        is_half = float(torch.rand((), generator=generator)) < self.half_probability
        return max(1, self.bptt // 2) if is_half else self.bptt


@dataclass(frozen=True, kw_only=True, slots=True)
class Varied:
    """Windows whose lengths vary about a mean, that of `Steady`, with a standard deviation of 5 (arXiv 1708.02182)."""

    bptt: int
    half_probability: float = 0.05
    shortest: int = 5
    """Or bptt, where that is less."""
    longest_beyond: int = 20
    """Beyond bptt no window goes further."""

    def draw(self, generator: torch.Generator) -> int:
        """See `Lengths`."""
        is_half = float(torch.rand((), generator=generator)) < self.half_probability
        mean = self.bptt / 2 if is_half else float(self.bptt)
        drawn = int(mean + 5 * float(torch.randn((), generator=generator)))
        return min(max(min(self.shortest, self.bptt), drawn), self.bptt + self.longest_beyond)


@dataclass(frozen=True, slots=True)
class Exactly:
    """Windows of one length."""

    length: int

    def draw(self, generator: torch.Generator) -> int:
        """See `Lengths`."""
        return self.length


class Text:
    """A text as columns, and where its windows are cut out.

    It is cut into as many columns as a batch has, each of the same length; what is left over at the end, less than a
    row, is not read. Of several processes each gets its share of the columns.

    Args:
        text_n: int64.
        batch_size: columns, at least 1; all processes together.
        name: of the part, for messages.
        device: where the batches are.
        processes: those that share the batches.

    Raises:
        DatasetError: there are fewer than two rows, or fewer columns than processes.
    """

    def __init__(
        self, text_n: Tensor, batch_size: int, *, name: str, device: torch.device, processes: Processes = ALONE
    ) -> None:
        if len(text_n) < 2 * batch_size:
            allowed = f"the {name} part has {len(text_n)} words, enough for a batch of {len(text_n) // 2} at most"
            raise DatasetError("batch_size", batch_size, allowed)
        if batch_size < processes.size:
            raise DatasetError("batch_size", batch_size, f"each of the {processes.size} processes needs a column")
        self.batch_size = batch_size
        self.processes = processes
        num_rows = len(text_n) // batch_size
        columns_rb = text_n[: num_rows * batch_size].view(batch_size, num_rows).t()
        self._text_rb = columns_rb[:, processes.share(batch_size)].contiguous().to(device)

    @property
    def num_rows(self) -> int:
        """Words of a column that have one after them."""
        return len(self._text_rb) - 1

    def window(self, row: int, length: int) -> Window:
        """Cut a window out; it ends where the text does."""
        end = min(row + length, self.num_rows)
        carries = torch.full((), float(row > 0), device=self._text_rb.device)
        return Window(self._text_rb[row:end], self._text_rb[row + 1 : end + 1], carries)


class TextBatches:
    """An iterable of the windows of a text; each `iter` is one pass over it, and its last window as long as it comes.

    Args:
        text: the text.
        lengths: of the windows.
        generator: on the CPU, for the lengths; may be left out where they are not drawn.

    Attributes:
        length: of the window that was given last.
    """

    def __init__(self, text: Text, lengths: Lengths, generator: torch.Generator | None = None) -> None:
        self._text = text
        self._lengths = lengths
        self._generator = generator or torch.Generator()
        self._is_within_pass = False
        self._plan = self._planned()
        self._num_given = 0

    @property
    def length(self) -> int:
        """See the class."""
        return self._plan[max(0, self._num_given - 1)]

    def __len__(self) -> int:
        """Windows of the present pass."""
        return len(self._plan)

    def __iter__(self) -> Iterator[Window]:
        """Start a pass, or go on with the one that `load_state_dict` put this into."""
        if self._num_given and not self._is_within_pass:
            self._plan, self._num_given = self._planned(), 0
        self._is_within_pass = False
        while self._num_given < len(self._plan):
            row = sum(self._plan[: self._num_given])
            self._num_given += 1
            yield self._text.window(row, self.length)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to give the windows that come next here; the same in every process."""
        return {"generator": self._generator.get_state(), "lengths": list(self._plan), "num_given": self._num_given}

    def load_state_dict(self, state: Mapping[str, Any], *, is_within_pass: bool) -> None:
        """Go on where others of the same text stood.

        Args:
            state: theirs.
            is_within_pass: the next `iter` goes on with their last pass; otherwise it starts one, as theirs would.

        Raises:
            ValueError: they stood nowhere in this text.
        """
        self._generator.set_state(state["generator"])
        plan, num_given = [int(length) for length in state["lengths"]], state["num_given"]
        if sum(plan) != self._text.num_rows or min(plan) < 1:
            raise ValueError(f"windows of {sum(plan)} rows, and the text has {self._text.num_rows}")
        if not 0 <= num_given <= len(plan):
            raise ValueError(f"{num_given} of {len(plan)} windows were given")
        self._plan, self._num_given, self._is_within_pass = plan, num_given, is_within_pass

    def _planned(self) -> list[int]:
        plan: list[int] = []
        rows_left = self._text.num_rows
        while rows_left:
            plan.append(min(self._lengths.draw(self._generator), rows_left))
            rows_left -= plan[-1]
        return plan


class FollowingBatches:
    """The windows of another text, each as long as the last one of those that are followed.

    A pass ends where less is left of the text; the next begins at its start. A text that is shorter is one window.

    Args:
        text: the text.
        followed: say how long the next window is.
    """

    def __init__(self, text: Text, followed: TextBatches) -> None:
        self._text = text
        self._followed = followed
        self._row = 0

    def __len__(self) -> int:
        """Windows of a pass, if none is shorter."""
        return max(1, self._text.num_rows // self._followed.length)

    def __iter__(self) -> Iterator[Window]:
        """Go on with the present pass, or start one where it is over."""
        is_over = self._is_over()
        while True:
            if is_over:
                self._row = 0
            window = self._text.window(self._row, self._followed.length)
            self._row += len(window.words_tb)
            yield window
            if is_over := self._is_over():
                return

    def state_dict(self) -> dict[str, Any]:
        """See `TextBatches.state_dict`."""
        return {"row": self._row}

    def load_state_dict(self, state: Mapping[str, Any], *, is_within_pass: bool) -> None:
        """See `TextBatches.load_state_dict`; the place in the text is kept whatever passes others are in."""
        if not 0 <= state["row"] <= self._text.num_rows:
            raise ValueError(f"row {state['row']} of {self._text.num_rows}")
        self._row = state["row"]

    def _is_over(self) -> bool:
        return self._row + self._followed.length > self._text.num_rows


def to_evaluate(
    text_n: Tensor, name: str, *, bptt: int, device: torch.device, processes: Processes = ALONE
) -> TextBatches:
    """Return windows of a text that nothing is learnt from.

    Raises:
        DatasetError: there are fewer than two words for each process.
    """
    columns = max(processes.size, min(EVALUATED_COLUMNS, len(text_n) // 2))
    return TextBatches(Text(text_n, columns, name=name, device=device, processes=processes), Exactly(bptt))
