"""The operations that a space chooses among: each type with each combination of its parameters, and what they share."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from enas_service.limits import EnasLimits
from enas_service.spaces.traits import Trait
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Operation
from katib_suggestion.parsing.feasible_space import check_text
from katib_suggestion.parsing.operations import Value, parameters


@dataclass(frozen=True, slots=True)
class OperationChoice:
    """One operation with its parameters fixed."""

    type: str
    parameters: tuple[tuple[str, Value], ...]
    """Names and values, in the order given."""

    @property
    def text(self) -> str:
        """For readers: its type, then its parameters."""
        return "/".join([self.type, *(f"{name}={value}" for name, value in self.parameters)])

    @property
    def num_bytes(self) -> int:
        """Length of its texts in an assignment, with the marks around them."""
        texts = [self.type, *(f"{name}{value}" for name, value in self.parameters)]
        return sum(len(text.encode()) + 10 for text in texts)


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
            check_text(operation.type, f"{where}.operationType")
        with faults.noted():
            spaces = parameters(operation, where, limits)
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
    given = [dict(one.parameters) for one in operations]
    names = dict.fromkeys(name for one in given for name in one)
    found = [
        Trait.of("operation", [one.type for one in operations]),
        *(Trait.of(f"operation.{name}", [one.get(name) for one in given]) for name in names),
    ]
    return [one for one in found if len(one.values) > 1]
