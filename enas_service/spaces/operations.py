"""The operations that a space chooses among: each type with each combination of its parameters, and what they share."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from enas_service.limits import EnasLimits
from katib_suggestion import feasible_space
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Operation
from katib_suggestion.feasible_space import Value


@dataclass(frozen=True, slots=True)
class OperationChoice:
    """One operation with its parameters fixed."""

    type: str
    parameters: tuple[tuple[str, Value], ...]
    """Names and values, in the order given."""

    @property
    def num_bytes(self) -> int:
        """Length of its texts in an assignment, with the marks around them."""
        texts = [self.type, *(f"{name}{value}" for name, value in self.parameters)]
        return sum(len(text.encode()) + 10 for text in texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """The type of the operations, or one of their parameters: in what operations differ."""

    kind: str
    values: tuple[str | None, ...]
    is_ordered: bool
    """As in `enas_service.spaces.space.Attribute`."""
    place_m: tuple[int, ...]
    """The place of each operation's value among these."""


def expanded(operations: Sequence[Operation], limits: EnasLimits) -> tuple[OperationChoice, ...]:
    """Every operation with every combination of its parameters' values; the last parameter varies fastest.

    Raises:
        InvalidExperiment: there is none, or an operation or a feasible space is none of what is allowed.
    """
    if not operations:
        raise InvalidExperiment("nasConfig.operations", [], "a search needs at least one operation")
    choices: list[OperationChoice] = []
    faults = Faults()
    for index, operation in enumerate(operations):
        where = f"nasConfig.operations[{index}]"
        with faults.noted():
            feasible_space.check_text(operation.type, f"{where}.operationType")
        with faults.noted():
            spaces = feasible_space.parameters(operation, where, limits)
            total = len(choices) + math.prod(len(values) for values in spaces.values())
            if total > limits.max_operations:
                raise InvalidExperiment(where, total, limits.allowed("max_operations"))
            choices += [
                OperationChoice(operation.type, tuple(zip(spaces, values, strict=True)))
                for values in itertools.product(*spaces.values())
            ]
    faults.raise_noted()
    return tuple(choices)


def traits(operations: Sequence[OperationChoice]) -> list[Trait]:
    """In what operations differ: the type first, then parameters in the order in which they first stand.

    Parameters of one name are one trait, whichever types have them, and texts that are all numbers are taken as such:
    Katib's own examples give filter sizes as texts.
    """
    parameters = [dict(one.parameters) for one in operations]
    names = dict.fromkeys(name for one in parameters for name in one)
    found = [
        _trait("operation", [one.type for one in operations]),
        *(_trait(f"operation.{name}", [one.get(name) for one in parameters]) for name in names),
    ]
    return [one for one in found if len(one.values) > 1]


def _trait(kind: str, value_m: Sequence[Value | None]) -> Trait:
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
    return Trait(
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
