"""Values of a trial's assignments: JSON in Katib's single quotes, both ways.

Katib puts a value into the JSON text of a trial's manifest by plain substitution, and most trials then run it through
``sh -c`` inside double quotes. So no value may hold what ends a JSON text, or what a shell runs or eats.
Standard library only: trainers import this module.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

FORBIDDEN = frozenset("\"'\\$`")
"""Quotes of both kinds, the escape of JSON and of ``sh``, and what ``sh`` expands inside double quotes."""


class MalformedAssignment(ValueError):
    """A value is no JSON in Katib's single quotes, or holds what may not stand in one."""


def is_safe(text: str) -> bool:
    """Tell whether a text may stand in a value: printable characters, none of them in `FORBIDDEN`."""
    return text.isprintable() and FORBIDDEN.isdisjoint(text)


def encode(value: JSON) -> str:
    """Write a value as an assignment's text: one line of JSON, with ``'`` in place of ``"``.

    Raises:
        MalformedAssignment: a text in the value is not safe (see `is_safe`), or a number is not finite.
    """
    for text in _texts(value):
        if not is_safe(text):
            raise MalformedAssignment(
                f"{text!r} may not be passed to a trial: no quotes, backslashes, $, backticks or control characters"
            )
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).replace('"', "'")
    except ValueError as error:
        raise MalformedAssignment(f"not a value of JSON: {error}") from error


def decode(text: str) -> JSON:
    """Read an assignment's text, as it comes from `encode` or through a manifest.

    Where no shell has stripped them, the literal double quotes of the manifest stand around the value; they are taken
    off. Plain JSON in double quotes is read too.

    Raises:
        MalformedAssignment: the text is neither.
    """
    inner = text.strip()
    if len(inner) >= 2 and inner[0] == inner[-1] == '"':
        inner = inner[1:-1].strip()
    if '"' not in inner:
        inner = inner.replace("'", '"')
    try:
        value: JSON = json.loads(inner, parse_constant=_no_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        shown = text if len(text) <= 200 else f"{text[:200]}…"
        raise MalformedAssignment(f"not a value of JSON: {shown!r} ({error})") from error
    return value


def _texts(value: JSON) -> list[str]:
    """Every text in a value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for key, item in value.items() for text in (key, *_texts(item))]
    if isinstance(value, Sequence):
        return [text for item in value for text in _texts(item)]
    return []


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError(f"a key stands twice among {[key for key, _ in pairs]}")
    return values
