"""Checked values out of decoded JSON; every error says where the value stands."""

import re
from collections.abc import Collection, Mapping, Sequence

from katib_suggestion.errors import shown
from katib_suggestion.parsing.assignment import JSON, MalformedAssignment, decode

LARGEST = 65_536
"""Largest number of anything in a network: more is a slip of the pen, and no machine holds it."""


class InvalidNetwork(ValueError):
    """The architecture or the configuration of a network asks for what cannot be built.

    Args:
        where: the place, as in ``architecture row 3`` or ``nn_config.embedding.27.opt_params.stride``.
        value: what stands there.
        allowed: what may stand there, as the end of a sentence.
    """

    def __init__(self, where: str, value: object, allowed: str) -> None:
        self.where, self.value, self.allowed = where, value, allowed
        super().__init__(f"{where}: {shown(value)} is not allowed: {allowed}")


def parse(text: str, where: str) -> JSON:
    """Read an argument's text: JSON in Katib's single quotes or in double ones, with or without quotes around it.

    Raises:
        InvalidNetwork: the text is no JSON.
    """
    try:
        return decode(text)
    except MalformedAssignment as error:
        raise InvalidNetwork(where, text, f"it must be JSON in single or double quotes ({error.__cause__})") from error


def mapping(value: JSON, where: str, names: Collection[str]) -> Mapping[str, JSON]:
    """Return an object that has exactly these names.

    Raises:
        InvalidNetwork: it is none, or a name is missing or unknown.
    """
    fields = any_mapping(value, where)
    known = ", ".join(names)
    for name in names:
        if name not in fields:
            raise InvalidNetwork(f"{where}.{name}", None, f"it is missing; there must be {known}")
    for name, field in fields.items():
        if name not in names:
            raise InvalidNetwork(f"{where}.{name}", field, f"the name is unknown; there must be {known}, no more")
    return fields


def any_mapping(value: JSON, where: str) -> Mapping[str, JSON]:
    """Return an object, whatever its names.

    Raises:
        InvalidNetwork: it is none.
    """
    if not isinstance(value, Mapping):
        raise InvalidNetwork(where, value, "it must be an object with names and values")
    return value


def given(values: Mapping[str, JSON], name: str, where: str) -> JSON:
    """Return what an object holds under a name.

    Raises:
        InvalidNetwork: nothing.
    """
    if name not in values:
        raise InvalidNetwork(f"{where}.{name}", None, "it is missing")
    return values[name]


def sequence(value: JSON, where: str) -> Sequence[JSON]:
    """Return a list.

    Raises:
        InvalidNetwork: it is none, or empty.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise InvalidNetwork(where, value, "it must be a list that is not empty")
    return value


def integer(value: JSON, where: str, *, minimum: int = 1) -> int:
    """Return a whole number; the wire has 7, 7.0 and "7" for the same, by the kind of its feasible space.

    Raises:
        InvalidNetwork: it is no whole number from minimum to `LARGEST`; True and False are none.
    """
    number: int | None = None
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.0*)?", value, re.ASCII):
        number = int(value.partition(".")[0])
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None or not minimum <= number <= LARGEST:
        raise InvalidNetwork(where, value, f"it must be a whole number from {minimum} to {LARGEST}")
    return number


def choice(value: JSON, where: str, allowed: Collection[str]) -> str:
    """Return a text that is one of some.

    Raises:
        InvalidNetwork: it is none of them.
    """
    if not isinstance(value, str) or value not in allowed:
        raise InvalidNetwork(where, value, f"it must be {' or '.join(allowed)}")
    return value
