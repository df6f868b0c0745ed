"""Texts by name: what a search trains and validates on, and, by a function of its own, the test part.

Legend of shapes: n words.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trial_runtime import seeds
from trial_runtime.data_dir import default_data_dir
from trial_runtime.errors import DatasetError
from trial_runtime.text import folder, grammar, python_docs
from trial_runtime.text.vocabulary import Vocabulary

KNOWN = "text:DIR, python-docs, grammar or grammar:N"
"""The names that `load` knows, for messages."""

GRAMMAR_WORDS = 60_000
"""Words of the training part of the data set ``grammar``."""

_MAX_GRAMMAR_WORDS = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """The words of a text that a search may see, as numbers of a vocabulary."""

    name: str
    """As it was asked for."""
    vocabulary: Vocabulary
    """Of the training part."""
    train_n: Tensor
    """int64; what weights learn from."""
    valid_n: Tensor
    """int64; what alphas learn from, and validation."""
    seed: int
    """What the text or its division was drawn with."""

    def unigram_perplexity(self) -> float:
        """Perplexity on the validation part of a model that only counts how often each word stands in training.

        Each count is taken one too high, or a word that training lacks would be impossible.
        """
        counts_v = torch.bincount(self.train_n, minlength=len(self.vocabulary)).double() + 1
        log_v = (counts_v / counts_v.sum()).log()
        return math.exp(-float(log_v[self.valid_n].mean()))


def is_text(name: str) -> bool:
    """Whether a data set of that name is a text, if there is one."""
    return name.partition(":")[0] in ("text", grammar.NAME, python_docs.NAME)


def load(name: str, data_dir: Path | None, *, seed: int, max_vocabulary: int | None = None) -> Corpus:
    """Load the training and the validation part of a text.

    - ``text:DIR``: the files of a folder, see `trial_runtime.text.folder`.
    - ``python-docs``: the topics of this Python's help, about 65,000 words; needs no network.
    - ``grammar``, ``grammar:N``: N words (60,000) of a made-up language of known entropy, see
      `trial_runtime.text.grammar`; validation and test have a tenth of that each. For tests.

    Args:
        name: one of the above.
        data_dir: folder of the data; None for the usual one.
        seed: of the division of ``python-docs``, and of what ``grammar`` says.
        max_vocabulary: most words of the vocabulary, see `Vocabulary.of`; None keeps all.

    Raises:
        DatasetError: the name is unknown, or a part is missing, empty or no UTF-8.
    """
    parts = _read(name, data_dir, seed, ("train", "valid"))
    vocabulary = Vocabulary.of(parts["train"], max_vocabulary)
    return Corpus(
        name=name,
        vocabulary=vocabulary,
        train_n=vocabulary.encode(parts["train"]),
        valid_n=vocabulary.encode(parts["valid"]),
        seed=seed,
    )


def load_test(corpus: Corpus, data_dir: Path | None) -> Tensor:
    """Load the test part that belongs to a text, (N,), int64.

    Raises:
        DatasetError: it is missing, empty or no UTF-8.
    """
    return corpus.vocabulary.encode(_read(corpus.name, data_dir, corpus.seed, ("test",))["test"])


def versions(name: str) -> dict[str, str]:
    """Versions beside those of every trial that decide what a text says."""
    return {"python-docs": python_docs.version()} if name == python_docs.NAME else {}


def _read(name: str, data_dir: Path | None, seed: int, parts: Sequence[str]) -> Mapping[str, list[str]]:
    kind, _, rest = name.partition(":")
    if kind == "text" and rest:
        return {part: folder.read(rest, part, data_dir or default_data_dir()) for part in parts}
    if name == python_docs.NAME:
        return python_docs.read(seeds.generator(seed, "text parts"))
    if kind == grammar.NAME:
        num_words = _grammar_words(name, rest) if ":" in name else GRAMMAR_WORDS
        lengths = {"train": num_words, "valid": num_words // 10, "test": num_words // 10}
        return {part: grammar.write(lengths[part], seeds.generator(seed, f"grammar {part}")) for part in parts}
    raise DatasetError("dataset", name, f"the texts are {KNOWN}")


def _grammar_words(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{2,8}", text, re.ASCII) or int(text) > _MAX_GRAMMAR_WORDS:
        raise DatasetError("dataset", name, f"grammar:N has N from 10 to {_MAX_GRAMMAR_WORDS}")
    return int(text)
