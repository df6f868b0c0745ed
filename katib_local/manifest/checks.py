"""The checks that every part of a manifest needs."""

import difflib
import enum
import re
from collections.abc import Iterable
from typing import TypeVar

from katib_suggestion.errors import InvalidExperiment

T = TypeVar("T")

_UNSENDABLE = re.compile("[\\x00\\ud800-\\udfff]")


def given(value: T | None, field: str) -> T:
    """Return a value that must be there.

    Raises:
        InvalidExperiment: it is missing.
    """
    if value is None:
        raise InvalidExperiment(field, value, "it must be given")
    return value


def text(value: str | None, field: str) -> str:
    """Return a text that must be there and not empty.

    Raises:
        InvalidExperiment: it is missing or empty.
    """
    if not value:
        raise InvalidExperiment(field, value, "it must be given")
    return value


def check_text(value: str, field: str) -> None:
    """Refuse a text that neither a protobuf message nor a process can be given.

    Raises:
        InvalidExperiment: it holds a NUL or half of a surrogate pair.
    """
    if _UNSENDABLE.search(value):
        raise InvalidExperiment(field, value, "no NUL, and no half of a surrogate pair")


def one_of(value: str | None, allowed: Iterable[str] | type[enum.Enum], field: str) -> str:
    """Return a text that must be one of a few, or the value of an enum's member.

    Raises:
        InvalidExperiment: it is none of them.
    """
    known = [item.value if isinstance(item, enum.Enum) else item for item in allowed]
    if value is None or value not in known:
        closest = difflib.get_close_matches(value or "", known, n=1)
        hint = f"did you mean {closest[0]}? " if closest else ""
        raise InvalidExperiment(field, value, f"{hint}it must be one of {', '.join(known)}")
    return value
