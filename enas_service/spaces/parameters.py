"""Plain parameters, as every algorithm of Katib has them: each a choice among its values.

Decisions are the place of each parameter's value among its values, in the order in which the parameters stand.

Shape suffixes: n and d as in `enas_service.decisions`; a decision is a parameter, and has one attribute if it has more
than one value.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from enas_service.decisions import Decisions
from enas_service.spaces import values
from enas_service.spaces.space import MAX_SUGGESTION_BYTES, Attribute, ForeignAssignments
from enas_service.spaces.traits import Trait
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment
from katib_suggestion.parsing.feasible_space import check_text

MAX_PARAMETERS = 100
"""Most parameters of an experiment."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter: its name, and the texts of its values, numbers from small to large."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)  # without slots, for what is computed once
class ParameterSpace:
    """All combinations of the values of an experiment's parameters."""

    choices: tuple[Choice, ...]
    """(D,) the parameters."""
    notes: tuple[str, ...] = field(repr=False, compare=False)
    """Which values were made of the ranges that have no end of them, or too many."""

    @classmethod
    def of(cls, experiment: Experiment) -> "ParameterSpace":
        """List the values of an experiment's parameters.

        Raises:
            InvalidExperiment: there are too many parameters, a name stands twice or may not stand in an assignment, or
                a feasible space is none of what is allowed.
        """
        parameters = experiment.parameters
        if len(parameters) > MAX_PARAMETERS:
            raise InvalidExperiment("parameters", len(parameters), f"at most {MAX_PARAMETERS} of them")
        found: dict[str, values.Values] = {}
        faults = Faults()
        for index, parameter in enumerate(parameters):
            where = f"parameters[{index}]"
            with faults.noted():
                check_text(parameter.name, f"{where}.name")
                if parameter.name in found:
                    raise InvalidExperiment(f"{where}.name", parameter.name, "a parameter's name may stand only once")
            with faults.noted():
                found[parameter.name] = values.of(parameter, f"{where}.feasibleSpace")
        faults.raise_noted()
        space = cls(
            choices=tuple(Choice(name, one.texts) for name, one in found.items()),
            notes=tuple(f"{name}: {one.note}" for name, one in found.items() if one.note),
        )
        if space.max_suggestion_bytes > MAX_SUGGESTION_BYTES:
            allowed = f"a suggestion may be {MAX_SUGGESTION_BYTES} bytes long: have fewer parameters or shorter texts"
            raise InvalidExperiment(space.where, f"{space.max_suggestion_bytes} bytes", allowed)
        return space

    @property
    def where(self) -> str:
        """The part of an Experiment that says it."""
        return "parameters"

    @property
    def summary(self) -> str:
        """How large it is in a few words."""
        return f"{len(self.choices)} parameters, {sum(self.counts)} values"

    @property
    def counts(self) -> tuple[int, ...]:
        """(D,) how many values each parameter has."""
        return tuple(len(choice.values) for choice in self.choices)

    @property
    def num_bits(self) -> int:
        """None: a parameter of two values is a choice as any other."""
        return 0

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(self.counts)

    @property
    def max_suggestion_bytes(self) -> int:
        """No suggestion is longer."""
        # Of an assignment, 10 bytes are marks and lengths.
        longest = (max(len(value.encode()) for value in choice.values) for choice in self.choices)
        return sum(
            len(choice.name.encode()) + length + 10 for choice, length in zip(self.choices, longest, strict=True)
        )

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """(D,) the first parameter that each is alike to, itself or one before it.

        Parameters whose names differ in numbers alone, and which have the same values, are the same thing in several
        places: ``layer-1`` and ``layer-2``.
        """
        first: dict[tuple[str, tuple[str, ...]], int] = {}
        alike = ((re.sub(r"\d+", "0", choice.name), choice.values) for choice in self.choices)
        return tuple(first.setdefault(one, place) for place, one in enumerate(alike))

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """(A,) the value of each parameter that has more than one."""
        return tuple(
            Attribute(
                name=choice.name,
                kind=trait.kind,
                values=trait.values,
                is_ordered=trait.is_ordered,
                decision=place,
            )
            for place, (choice, trait) in enumerate(zip(self.choices, self._traits, strict=True))
            if len(trait.values) > 1
        )

    def described(self, decisions_nd: Decisions) -> NDArray[np.int32]:
        """(N, A), the place of each attribute's value among its values."""
        described = [
            np.array(self._traits[attribute.decision].place_m, dtype=np.int32)[decisions_nd[:, attribute.decision]]
            for attribute in self.attributes
        ]
        return np.stack(described, axis=1) if described else np.zeros((len(decisions_nd), 0), dtype=np.int32)

    def draw(self, random: np.random.Generator) -> Decisions:
        """Draw a combination, each as likely as any other."""
        return random.integers(self.counts, dtype=np.int32)

    def read(self, assignments: Mapping[str, str]) -> Decisions:
        """Read the values of the parameters.

        Raises:
            ForeignAssignments: one is missing, or none of its parameter's values.
        """
        return np.array([self._place(choice, assignments) for choice in self.choices], dtype=np.int32)

    def write(self, decisions_d: Decisions) -> dict[str, str]:
        """Write the values of the parameters under their names."""
        return {choice.name: choice.values[place] for choice, place in zip(self.choices, decisions_d, strict=True)}

    def key(self, decisions_d: Decisions) -> bytes:
        """Equal for equal decisions, and for no others of this space."""
        return decisions_d.astype(np.uint8).tobytes()

    def of_key(self, key: bytes) -> Decisions:
        """Read `key` back.

        Raises:
            ValueError: it is no key of this space.
        """
        decisions_d = np.frombuffer(key, dtype=np.uint8).astype(np.int32)
        if len(decisions_d) != len(self.choices) or np.any(decisions_d >= self.counts):
            raise ValueError(f"no key of {self.summary}")
        return decisions_d

    @cached_property
    def _traits(self) -> list[Trait]:
        """(D,)"""
        return [
            Trait.of(self.choices[kind].name, choice.values)
            for kind, choice in zip(self.kinds, self.choices, strict=True)
        ]

    def _place(self, choice: Choice, assignments: Mapping[str, str]) -> int:
        value = assignments.get(choice.name)
        if value not in choice.values:
            raise ForeignAssignments(f"{choice.name}: {value!r:.200} is none of its values")
        return choice.values.index(value)
