"""What a space says of its decisions, so that what one of them teaches can serve the others."""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One thing that is known of one decision: of an operation its type or its filter size, of a join whether it is."""

    num_values: int
    """Its values are 0 to this, which is not one."""
    kind: Hashable
    """Attributes of one kind have the same values, and share what is learned: the filter sizes of all layers."""
    is_ordered: bool
    """Whether near numbers mean near values."""
    decision: int
    """The decision that it describes."""
