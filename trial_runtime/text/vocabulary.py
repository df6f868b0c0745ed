"""Words and the numbers that stand for them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

END_OF_LINE = "<eos>"
"""Ends each line of a text."""

UNKNOWN = "<unk>"
"""Stands for each word that the vocabulary lacks."""

SPECIAL = (END_OF_LINE, UNKNOWN)
"""In every vocabulary, whatever the text."""

MIN_SIZE = len(SPECIAL) + 1
"""Of a vocabulary with a word in it."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that a language model knows; a word's number is its place.

    Args:
        words: all different, with `SPECIAL` among them.

    Raises:
        ValueError: they are not.
    """

    words: tuple[str, ...]
    _numbers: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {word: number for number, word in enumerate(self.words)}
        if len(numbers) != len(self.words) or not set(SPECIAL) <= set(numbers):
            raise ValueError(f"a vocabulary holds different words, {' and '.join(SPECIAL)} among them")
        object.__setattr__(self, "_numbers", numbers)

    @classmethod
    def of(cls, text: Iterable[str], max_size: int | None = None) -> "Vocabulary":
        """Collect the words of a training text, numbered by their first appearance.

        Args:
            text: words, one after the other.
            max_size: keep the most frequent words, so many with `SPECIAL`; at least `MIN_SIZE`; None keeps all. Of
                equally frequent ones the earlier stays.
        """
        counts = Counter(text)
        kept = set(counts)
        if max_size is not None:
            assert max_size >= MIN_SIZE, max_size
            ordinary = [word for word, _ in counts.most_common() if word not in SPECIAL]
            kept = {*ordinary[: max_size - len(SPECIAL)], *SPECIAL}
        found = [word for word in counts if word in kept]
        return cls((*found, *(word for word in SPECIAL if word not in counts)))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: Iterable[str]) -> Tensor:
        """Return the number of each word, (N,), int64; that of `UNKNOWN` for words that are not there."""
        unknown = self._numbers[UNKNOWN]
        return torch.tensor([self._numbers.get(word, unknown) for word in text], dtype=torch.int64)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Return the words of numbers."""
        return [self.words[number] for number in numbers]


def words_of(lines: Iterable[str]) -> list[str]:
    """Return the words of a text, which blanks separate, with `END_OF_LINE` after each line."""
    return [word for line in lines for word in (*line.split(), END_OF_LINE)]


def lines_of(words: Sequence[str]) -> str:
    """Write words as text, a line end for each `END_OF_LINE`."""
    lines = " ".join("\n" if word == END_OF_LINE else word for word in words).split("\n")
    return "\n".join(line.strip(" ") for line in lines)
