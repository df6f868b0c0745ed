"""What a search asks of a search space; each kind of space is a file beside this one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from enas_service.decisions import Decisions

MAX_SUGGESTION_BYTES = 100_000
"""Longest suggestion. It goes to the trial's shell in one argument, of which Linux takes 128 KiB."""


class ForeignAssignments(ValueError):
    """A trial's assignments are malformed, or of another search space."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One of the things that describe a decision, for a model that learns from one decision about another.

    Attributes of one kind are the same thing in several places, such as the filter size of each layer: they have the
    same values, and what a model learns of one holds, more or less, for the others.
    """

    name: str
    """For readers: no other attribute of the space has it."""
    kind: str
    values: tuple[str | None, ...]
    """At least two. None, which stands last, is for options without this attribute: a pooling has no filters."""
    is_ordered: bool
    """Whether the values but for None are numbers, from small to large: neighbours are alike."""
    decision: int
    """The place of the decision that it describes; of several the first."""
    set_of: int | None = None
    """Attributes of a kind with the same number here are a set: their order means nothing, as that of a node's two."""


class Space(Protocol):
    """All that an experiment may be answered with: D decisions, and what they mean."""

    @property
    def where(self) -> str:
        """The part of an Experiment that says it, for errors."""

    @property
    def summary(self) -> str:
        """How large it is in a few words, for errors."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the Experiment would not know of it, a sentence each, for the log."""

    @property
    def counts(self) -> tuple[int, ...]:
        """(D,) how many options each decision has; every combination of options may be drawn."""

    @property
    def num_bits(self) -> int:
        """How many of the decisions, the last ones, are bits: something is there or not, such as a join."""

    @property
    def size(self) -> int:
        """How many keys there are."""

    @property
    def max_suggestion_bytes(self) -> int:
        """No suggestion is longer."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """(A,) what describes the decisions.

        A decision has any number of them: none where it has one option, several where its options share properties.
        """

    def described(self, decisions_nd: Decisions) -> NDArray[np.int32]:
        """(N, A), the place that each attribute's value has in its `Attribute.values`."""

    def draw(self, random: np.random.Generator) -> Decisions:
        """Draw (D,), every combination of options as likely as any other."""

    def read(self, assignments: Mapping[str, str]) -> Decisions:
        """Read a trial's assignments, (D,).

        Raises:
            ForeignAssignments: they are none of this space.
        """

    def write(self, decisions_d: Decisions) -> dict[str, str]:
        """Write decisions as a trial's assignments: names and texts."""

    def key(self, decisions_d: Decisions) -> bytes:
        """Equal for decisions that mean the same, and for no others of this space. Checkpoints hold it."""

    def of_key(self, key: bytes) -> Decisions:
        """Read `key` back, (D,); where several decisions mean the same, always as the same ones.

        Raises:
            ValueError: it is no key of this space.
        """
