"""A trial's assignments as values of Python."""

from typing import Any

from katib_suggestion.parsing import assignment

NETWORK = "network"
"""The type of what a search over architectures assigns: JSON in single quotes."""


def value_of(text: str, kind: str) -> Any:
    """Return the value of an assignment.

    Args:
        text: as the service wrote it.
        kind: a parameter's type in Katib, or `NETWORK`.
    """
    if kind == NETWORK:
        return assignment.decode(text)
    if kind == "int":
        return int(float(text))
    if kind == "double":
        return float(text)
    if kind == "discrete":
        number = float(text)
        return int(number) if number.is_integer() else number
    return text
