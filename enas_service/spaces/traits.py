"""In what the options of a decision differ, for the attributes that describe it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from katib_suggestion.parsing.operations import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """One thing that each of m options has, or has not: such as the filter size of an operation."""

    kind: str
    values: tuple[str | None, ...]
    is_ordered: bool
    """As in `enas_service.spaces.space.Attribute`."""
    place_m: tuple[int, ...]
    """The place of each option's value among these."""

    @classmethod
    def of(cls, kind: str, value_m: Sequence[Value | None]) -> Self:
        """Compare options: texts that are all numbers are taken as such, whatever type they were given with.

        Args:
            kind: of the trait.
            value_m: of each option; None where it has none.
        """
        given = list(dict.fromkeys(value for value in value_m if value is not None))
        is_ordered = all(_is_number(value) for value in given)
        if is_ordered:
            given.sort(key=float)
        # One number may be written in two ways, as the 3 of an int parameter and the text 3 of a categorical one.
        same: Callable[[Value], object] = float if is_ordered else str
        labels: dict[object, str] = {}
        for value in given:
            labels.setdefault(same(value), str(value))
        places = {one: place for place, one in enumerate(labels)}
        return cls(
            kind=kind,
            values=(*labels.values(), None) if None in value_m else tuple(labels.values()),
            is_ordered=is_ordered,
            place_m=tuple(len(places) if value is None else places[same(value)] for value in value_m),
        )


def _is_number(value: Value) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
