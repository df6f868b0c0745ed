"""Algorithm settings: name and value pairs of text become a typed, frozen dataclass.

A settings class declares each field once, with its default and its bounds::

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Settings:
        learning_rate: float = number(5e-5, Interval(above=0, maximum=1))
        batch_size: int | None = integer(128, Interval(minimum=1), optional=True)
        optimizer: str = choice("sgd", "adam", "ftrl")

Standard library only: trainers import this module.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from katib_suggestion.errors import Faults, InvalidExperiment

SUGGESTION_TRIAL_DIR = "suggestion_trial_dir"
"""Katib's own: mounts into each trial a folder of its own on the suggestion's volume. Every service leaves it alone."""

MAX_INTEGER = 2**31 - 1
"""Katib's integers are int32; so is the largest integer setting where no smaller bound is declared."""

MAX_NUMBER = 1e30
"""The largest number where no smaller bound is declared: what computes with it holds it in float32."""

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_MAX_TEXT = 100
"""Longest number, in characters: DARTS passes it on as it is."""

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A range of finite numbers; each side is closed (minimum, maximum), open (above, below), or absent."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        sides = [(">=", self.minimum), (">", self.above), ("<=", self.maximum), ("<", self.below)]
        return " and ".join(f"{sign} {side:.15g}" for sign, side in sides if side is not None)


class Reader(Protocol):
    """Reads one setting's text."""

    def read(self, text: str, where: str) -> object:
        """Return the value.

        Raises:
            InvalidExperiment: it is none of what is allowed.
        """

    @property
    def allowed(self) -> str:
        """What is, as the end of a sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Number:
    """Reads a number."""

    kind: str
    interval: Interval
    optional: bool

    def read(self, text: str, where: str) -> float | int | None:
        try:
            return self._read(text)
        except ValueError as error:
            raise InvalidExperiment(where, text, self.allowed) from error

    def _read(self, text: str) -> float | int | None:
        if len(text) > _MAX_TEXT:
            raise ValueError(text)
        if self.optional and text == "None":
            return None
        value: float | int
        if self.kind == "integer":
            # int() alone would take blanks, underscores and digits of other scripts.
            if not _INTEGER.fullmatch(text):
                raise ValueError(text)
            value = int(text)
        else:
            if not _NUMBER.fullmatch(text):
                raise ValueError(text)
            value = float(text)
        if value not in self.interval:
            raise ValueError(text)
        return value

    @property
    def allowed(self) -> str:
        article = "an integer" if self.kind == "integer" else "a number"
        return f"it must be {article} {self.interval}" + (", or None" if self.optional else "")


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """Reads one of a few texts."""

    values: tuple[str, ...]

    def read(self, text: str, where: str) -> str:
        if text not in self.values:
            raise InvalidExperiment(where, text, f"{_closest(text, self.values)}{self.allowed}")
        return text

    @property
    def allowed(self) -> str:
        return f"it must be one of {', '.join(self.values)}"


@dataclasses.dataclass(frozen=True, slots=True)
class _OfText:
    """Reads a text that has a form of its own."""

    parse: Callable[[str, str], object]
    allowed: str

    def read(self, text: str, where: str) -> object:
        return self.parse(text, where)


def of_text(parse: Callable[[str, str], object], allowed: str) -> Any:
    """Declare a setting that is None where it is not given.

    It stays out of the settings' `repr`: a checkpoint that knew no such setting is one of a search without it.

    Args:
        parse: text and where it stands to a value; raises `InvalidExperiment`.
        allowed: what it may be, as the end of a sentence.
    """
    return dataclasses.field(default=None, repr=False, metadata={"reader": _OfText(parse, allowed)})


def choice(default: str, *others: str) -> Any:
    """Declare a setting that is one of a few texts, the default the first of them."""
    return dataclasses.field(default=default, metadata={"reader": _Choice((default, *others))})


def integer(default: int | None, interval: Interval, *, optional: bool = False) -> Any:
    """Declare an integer setting; with ``optional``, the text ``None`` stands for None."""
    if interval.maximum is None:
        interval = dataclasses.replace(interval, maximum=MAX_INTEGER)
    return dataclasses.field(default=default, metadata={"reader": _Number("integer", interval, optional)})


def number(default: float | None, interval: Interval, *, optional: bool = False) -> Any:
    """Declare a setting that is a finite number; with ``optional``, the text ``None`` stands for None."""
    if interval.maximum is None and interval.below is None:
        interval = dataclasses.replace(interval, maximum=MAX_NUMBER)
    return dataclasses.field(default=default, metadata={"reader": _Number("number", interval, optional)})


def parse(
    settings: type[T], pairs: Iterable[tuple[str, str]], *, place: Callable[[str], str] = "algorithmSettings.{}".format
) -> T:
    """Read name and value pairs into a settings class; what is not given takes its default.

    Args:
        settings: see the module.
        pairs: names and values.
        place: where a name is given, for messages.

    Raises:
        InvalidExperiment: a name is unknown or stands twice, or a value is none of what is allowed.
    """
    readers: dict[str, Reader] = {
        field.name: field.metadata["reader"]
        for field in dataclasses.fields(settings)  # type: ignore[arg-type]
    }
    values: dict[str, Any] = {}
    seen: set[str] = set()
    faults = Faults()
    for name, text in pairs:
        with faults.noted():
            where = place(name)
            if name in seen:
                raise InvalidExperiment(where, text, "the setting is given twice")
            seen.add(name)
            if name == SUGGESTION_TRIAL_DIR:
                continue
            if name not in readers:
                raise InvalidExperiment("algorithmSettings", name, _unknown(name, [*readers, SUGGESTION_TRIAL_DIR]))
            values[name] = readers[name].read(text, where)
    faults.raise_noted()
    return settings(**values)


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"unknown setting; {_closest(name, known)}the known settings are {', '.join(known)}"


def _closest(text: str, known: Sequence[str]) -> str:
    """A hint at what may have been meant, with a blank behind it, or nothing."""
    closest = difflib.get_close_matches(text[:_MAX_TEXT], known, n=1)
    return f"did you mean {closest[0]}? " if closest else ""
