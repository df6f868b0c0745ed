"""A list of operations as choices of few options with short names, for searches that know plain parameters only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from katib_suggestion.parsing.operations import Value

MAX_OPTIONS = 100
"""Most options of a choice."""

MAX_TEXT = 64
"""Longest option, in characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationList:
    """A type of operation with the values of its parameters."""

    type: str
    parameters: dict[str, tuple[Value, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class FlatOperations:
    """What stands for one operation out of a list."""

    operations: tuple[str, ...]
    """The main choice: a type, and those of its parameters that are not apart."""
    apart: dict[str, tuple[str, ...]]
    """Further choices: a parameter, or a type and one of its parameters."""
    fixed: dict[str, str]
    """Parameters of a type that have one value."""


def flat(operations: Sequence[OperationList]) -> FlatOperations | None:
    """Put parameters of the operations apart, as few as will do, those with the most values first.

    A parameter that several types have with the same values is one choice.

    Returns:
        None where an option is too long, or there are too many, with every parameter apart.
    """
    fixed = {
        f"{one.type}-{name}": str(values[0])
        for one in operations
        for name, values in one.parameters.items()
        if len(values) == 1
    }
    varying = [
        OperationList(type=one.type, parameters={name: v for name, v in one.parameters.items() if len(v) > 1})
        for one in operations
    ]
    columns = _columns(varying)
    order = sorted(columns, key=lambda name: -len(columns[name]))
    for num_apart in range(len(order) + 1):
        apart = {name: columns[name] for name in order[:num_apart]}
        texts = tuple(text for one in varying for text in _texts(one, apart))
        if _fits(texts) and all(map(_fits, apart.values())):
            return FlatOperations(operations=texts, apart=apart, fixed=fixed)
    return None


def _columns(operations: Sequence[OperationList]) -> dict[str, tuple[str, ...]]:
    """What can be put apart: the name of a parameter, with its type where another type has other values for it."""
    by_name: dict[str, set[tuple[Value, ...]]] = {}
    for one in operations:
        for name, values in one.parameters.items():
            by_name.setdefault(name, set()).add(values)
    return {
        name if len(by_name[name]) == 1 else f"{one.type}-{name}": tuple(map(str, values))
        for one in operations
        for name, values in one.parameters.items()
    }


def _texts(operation: OperationList, apart: Iterable[str]) -> list[str]:
    """Each combination of the parameters that are not apart, behind the type."""
    within = {
        name: values
        for name, values in operation.parameters.items()
        if name not in apart and f"{operation.type}-{name}" not in apart
    }
    return [
        "/".join([operation.type, *(f"{name}={value}" for name, value in zip(within, values, strict=True))])
        for values in product(*within.values())
    ]


def _fits(texts: Sequence[str]) -> bool:
    return len(texts) <= MAX_OPTIONS and max(map(len, texts)) <= MAX_TEXT
