"""Sizes that protect a service: a dataclass of them, each with a flag of its name.

A limits class declares each field once, with its default and what it bounds::

    @dataclass(frozen=True, kw_only=True, slots=True)
    class DeepLimits(Limits):
        max_layers: int = limit(100, "layers")
"""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any, Self

from katib_suggestion.errors import shown


def limit(default: int, what: str, *, largest: int = 2**31 - 1) -> Any:
    """Declare a limit, an integer from 1.

    Args:
        default: what is allowed without the flag.
        what: what there may be at most so many of, as the end of a sentence.
        largest: to which the flag can raise it.
    """
    return dataclasses.field(default=default, metadata={"what": what, "largest": largest})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of every service."""

    max_suggestions: int = limit(1_000, "suggestions a request")
    """Katib asks for as many as trials run in parallel."""
    max_message_size: int = limit(64, "MiB for a request, and for a reply", largest=2_047)
    """Every request carries every trial, a few KB each: gRPC's 4 MB would end a search at about 1,000 trials."""
    max_fields: int = limit(500_000, "fields in a request, those of its parts counted")
    """A trial of ENAS has some 45; an empty one is two bytes of a message, and 250 in memory."""
    max_operations: int = limit(10_000, "operations, each combination of their parameters counted")
    """Katib's own example has 106."""

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the flags of the limits."""
        for field in dataclasses.fields(cls):
            parser.add_argument(
                _flag(field.name),
                type=_integer_to(field.metadata["largest"]),
                default=field.default,
                metavar="N",
                help=f"at most N {field.metadata['what']} (default %(default)s)",
            )

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Read parsed flags of `add_arguments`."""
        return cls(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(cls)})

    def allowed(self, name: str) -> str:
        """What a limit allows and which flag allows more, as the end of a sentence."""
        (what,) = (field.metadata["what"] for field in dataclasses.fields(self) if field.name == name)
        return f"at most {getattr(self, name)} {what}; {_flag(name)} raises it"


DEFAULT = Limits()
"""Those without a flag."""


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _integer_to(largest: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= largest):
            raise argparse.ArgumentTypeError(f"{shown(text)} is not allowed: it must be an integer from 1 to {largest}")
        return int(text)

    return integer
