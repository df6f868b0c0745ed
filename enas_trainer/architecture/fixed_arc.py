"""Architectures as published code writes them: numbers on a line, or a script of the shell that makes ``fixed_arc``."""

import re

from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.architecture.search_for import MACRO, MICRO

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?\w*fixed_arc=["']?(?:\$\{?\w*fixed_arc\}?)?([\d \t]*)["']?[ \t]*$""", re.M
)
_NUMBERS = re.compile(r"\s*\d{1,9}(?:[\s,]+\d{1,9})*\s*", re.ASCII)
_MAX_LAYERS = 1_000


def is_one(text: str) -> bool:
    """Tell whether a text is such a line, or a script of the shell that makes one."""
    return _NUMBERS.fullmatch(text) is not None or _LINE.search(text) is not None


def rows(text: str, search_for: str) -> list[list[int]]:
    """Return the rows of an architecture of a kind.

    Of a macro network a layer has its operation and then a bit for each earlier output, the stem's first; that the
    layer before feeds it is no bit, so that the numbers are those of Katib's rows, one after the other. Of a micro
    network the first half is the normal cell and the second the reduction cell; a recurrent cell is one row.

    Raises:
        InvalidNetwork: there are not as many numbers as such an architecture has.
    """
    if not _NUMBERS.fullmatch(text):
        text = " ".join(_LINE.findall(text))
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if search_for == MACRO:
        return _layers(numbers)
    per_node = 8 if search_for == MICRO else 2
    if not numbers or len(numbers) % per_node:
        what = "two cells, each of four numbers a node" if search_for == MICRO else "a cell of two numbers a node"
        raise InvalidNetwork("architecture", f"{len(numbers)} numbers", f"it must be {what}")
    half = len(numbers) // 2
    return [numbers[:half], numbers[half:]] if search_for == MICRO else [numbers]


def _layers(numbers: list[int]) -> list[list[int]]:
    found: list[list[int]] = []
    start = 0
    while start < len(numbers) and len(found) < _MAX_LAYERS:
        found.append(numbers[start : start + len(found) + 1])
        start += len(found)
    if start != len(numbers) or not numbers:
        allowed = "layer l of a macro network has l numbers, an operation and bits: 1, 3, 6, 10 … in all"
        raise InvalidNetwork("architecture", f"{len(numbers)} numbers", allowed)
    return found
