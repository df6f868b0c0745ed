"""What a parameter's feasible space says, checked: a list of texts, or a range of exact numbers.

What becomes of it differs: `katib_suggestion.parsing.operations` for the parameters of an operation, and for those of a
plain search `enas_service.spaces.values`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Parameter, ParameterType
from katib_suggestion.parsing.assignment import is_safe
from katib_suggestion.parsing.settings import MAX_INTEGER

MAX_TEXT = 1_000
"""Longest name or categorical value, in characters."""

_MAX_NUMBER = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """The numbers of a ``double`` or an ``int``; both ends are included."""

    minimum: Decimal
    maximum: Decimal
    step: Decimal | None
    """None for a double without one; an integer's is 1 where none is given, as in Katib."""


def check_text(text: str, where: str) -> None:
    """Check a name or value that goes into an assignment as it is.

    Raises:
        InvalidExperiment: it is empty, too long, or not safe there.
    """
    if not text or len(text) > MAX_TEXT or not is_safe(text):
        allowed = f"it must be text of up to {MAX_TEXT} characters without quotes, \\, $, ` or control characters"
        raise InvalidExperiment(where, text, allowed)


def listed(parameter: Parameter, where: str, most: int) -> tuple[str, ...]:
    """The texts that a ``categorical`` or ``discrete`` parameter lists.

    Args:
        parameter: of these types.
        where: where its feasible space stands in the experiment, for errors.
        most: how many texts there may be.

    Raises:
        InvalidExperiment: there are none, or too many; one stands twice or may not stand in an assignment; or a
            discrete one is no number, or the same one as another.
    """
    texts, place = parameter.values, f"{where}.list"
    if not texts:
        raise InvalidExperiment(place, [], f"a {parameter.type.value} parameter lists its values")
    if len(texts) > most:
        raise InvalidExperiment(place, len(texts), f"at most {most} values")
    if parameter.type is ParameterType.DISCRETE:
        _check_distinct([decimal(text, place) for text in texts], place)
    else:
        for text in texts:
            check_text(text, place)
        _check_distinct(texts, place)
    return texts


def ranged(parameter: Parameter, where: str) -> Range:
    """The range of a ``double`` or an ``int`` parameter.

    Args:
        parameter: of these types.
        where: where its feasible space stands in the experiment, for errors.

    Raises:
        InvalidExperiment: a number is none, min is above max, or the step is not above 0.
    """
    integral = parameter.type is ParameterType.INT
    minimum = decimal(parameter.minimum, f"{where}.min", integral=integral)
    maximum = decimal(parameter.maximum, f"{where}.max", integral=integral)
    if minimum > maximum:
        raise InvalidExperiment(f"{where}.min", parameter.minimum, f"it must be at most max, {parameter.maximum}")
    step = Decimal(1) if integral else None
    if parameter.step:
        step = decimal(parameter.step, f"{where}.step", integral=integral)
        if step <= 0:
            raise InvalidExperiment(f"{where}.step", parameter.step, "it must be a number > 0")
    return Range(minimum=minimum, maximum=maximum, step=step)


def decimal(text: str, where: str, *, integral: bool = False) -> Decimal:
    """Read a number exactly: in binary, 0.1 + 2 * 0.1 is more than 0.3 and would miss the end of a range.

    Raises:
        InvalidExperiment: it is none, or beyond what a double or an int32 holds.
    """
    allowed = f"it must be an integer of at most {MAX_INTEGER}" if integral else "it must be a finite number"
    try:
        number = Decimal(text) if len(text) <= _MAX_NUMBER and "_" not in text else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    # Near 1e308 a double is infinite; Katib's own integers are int32.
    if not number.is_finite() or not -300 < number.adjusted() < 300:
        raise InvalidExperiment(where, text, allowed)
    if integral and ("." in text or number != number.to_integral_value() or abs(number) > MAX_INTEGER):
        raise InvalidExperiment(where, text, allowed)
    return number


def _check_distinct(values: Sequence[Hashable], where: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise InvalidExperiment(where, str(value), "a value may stand only once")
        seen.add(value)
