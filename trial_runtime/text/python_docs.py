"""Real English that every Python brings along: the topics of its built-in help."""

import platform
from itertools import accumulate

import torch

from trial_runtime.errors import DatasetError
from trial_runtime.text.vocabulary import words_of

NAME = "python-docs"
"""Of the data set."""

_TRAIN_SHARE, _VALID_SHARE = 0.8, 0.9
"""Shares of the words where the training part and the validation part end."""


def version() -> str:
    """Return the version of Python whose topics these are: others word them otherwise."""
    return platform.python_version()


def read(generator: torch.Generator) -> dict[str, list[str]]:
    """Return the words of each part: about 8, 1 and 1 tenths of the words, in whole topics drawn at random.

    Lines without a word are left out.

    Args:
        generator: on the CPU; draws the order of the topics.

    Raises:
        DatasetError: this Python came without them, as some distributions' packages do.
    """
    try:
        from pydoc_data.topics import topics  # half a megabyte
    except ImportError as error:
        allowed = "this Python lacks the module pydoc_data, which has the text; take another dataset"
        raise DatasetError("dataset", NAME, allowed) from error
    names = sorted(topics)
    texts = [
        words_of(line for line in topics[names[place]].split("\n") if line.strip())
        for place in torch.randperm(len(names), generator=generator).tolist()
    ]
    num_words = sum(map(len, texts))
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for end, text in zip(accumulate(map(len, texts)), texts, strict=True):
        middle = (end - len(text) / 2) / num_words
        part = "train" if middle < _TRAIN_SHARE else "valid" if middle < _VALID_SHARE else "test"
        parts[part] += text
    return parts
