"""A parameter's feasible space becomes the list of its values.

A value keeps the type of its space: what is categorical stays text, the rest are numbers.
"""

from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from katib_suggestion.assignment import is_safe
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Operation, Parameter, ParameterType
from katib_suggestion.limits import DEFAULT, Limits
from katib_suggestion.settings import MAX_INTEGER

Value: TypeAlias = str | int | float

MAX_VALUES = 10_000
"""Most values of one parameter; a space beyond it is a mistake, such as a step of 1e-9."""

MAX_PARAMETERS = 100
"""Most parameters of one operation; Katib's have up to four."""

MAX_TEXT = 1_000
"""Longest name or categorical value, in characters."""

_MAX_NUMBER = 100


def parameters(operation: Operation, where: str, limits: Limits = DEFAULT) -> dict[str, tuple[Value, ...]]:
    """List each parameter of an operation with its values, in the order given.

    Args:
        operation: the operation, each of its parameters with a feasible space.
        where: where the operation stands in the experiment, for errors.
        limits: how many combinations the values may have.

    Raises:
        InvalidExperiment: a parameter has no name, an unsafe one, or one that stands twice; there are too many of them
            or of their combinations; or see `values`.
    """
    if len(operation.parameters) > MAX_PARAMETERS:
        raise InvalidExperiment(f"{where}.parameters", len(operation.parameters), f"at most {MAX_PARAMETERS} of them")
    listed: dict[str, tuple[Value, ...]] = {}
    combinations = 1
    faults = Faults()
    for index, parameter in enumerate(operation.parameters):
        place = f"{where}.parameters[{index}]"
        with faults.noted():
            check_text(parameter.name, f"{place}.name")
            if parameter.name in listed:
                raise InvalidExperiment(f"{place}.name", parameter.name, "a parameter's name may stand only once")
        with faults.noted():
            listed[parameter.name] = values(parameter, f"{place}.feasibleSpace")
            combinations *= len(listed[parameter.name])
        if combinations > limits.max_operations:
            break
    with faults.noted():
        if combinations > limits.max_operations:
            raise InvalidExperiment(where, combinations, limits.allowed("max_operations"))
    faults.raise_noted()
    return listed


def check_text(text: str, where: str) -> None:
    """Check a name or value that goes into an assignment as it is.

    Raises:
        InvalidExperiment: it is empty, too long, or not safe there.
    """
    if not text or len(text) > MAX_TEXT or not is_safe(text):
        allowed = f"it must be text of up to {MAX_TEXT} characters without quotes, \\, $, ` or control characters"
        raise InvalidExperiment(where, text, allowed)


def values(parameter: Parameter, where: str) -> tuple[Value, ...]:
    """List the values of a parameter, in order; both ends of a range are included.

    Args:
        parameter: a parameter of any of the four types.
        where: where its feasible space stands in the experiment, for errors.

    Raises:
        InvalidExperiment: the space is empty, has a number that is none, or more than `MAX_VALUES` values.
    """
    if not parameter.uniform:
        raise InvalidExperiment(f"{where}.distribution", "not uniform", "every value is tried alike; leave it out")
    if parameter.type is ParameterType.CATEGORICAL:
        return _categorical(parameter, where)
    if parameter.type is ParameterType.DISCRETE:
        numbers = [_decimal(text, f"{where}.list") for text in _listed(parameter, where)]
        _no_duplicates(numbers, f"{where}.list")
        return tuple(_plain(number) for number in numbers)
    return _range(parameter, where)


def _categorical(parameter: Parameter, where: str) -> tuple[str, ...]:
    for text in _listed(parameter, where):
        check_text(text, f"{where}.list")
    _no_duplicates(parameter.values, f"{where}.list")
    return parameter.values


def _listed(parameter: Parameter, where: str) -> tuple[str, ...]:
    if not parameter.values:
        raise InvalidExperiment(f"{where}.list", [], f"a {parameter.type.value} parameter lists its values")
    if len(parameter.values) > MAX_VALUES:
        raise InvalidExperiment(f"{where}.list", len(parameter.values), f"at most {MAX_VALUES} values")
    return parameter.values


def _range(parameter: Parameter, where: str) -> tuple[Value, ...]:
    integral = parameter.type is ParameterType.INT
    minimum = _decimal(parameter.minimum, f"{where}.min", integral=integral)
    maximum = _decimal(parameter.maximum, f"{where}.max", integral=integral)
    if minimum > maximum:
        raise InvalidExperiment(f"{where}.min", parameter.minimum, f"it must be at most max, {parameter.maximum}")
    # Katib's rule: an integer's step is 1 where none is given; a double has no such natural step.
    step = (
        Decimal(1) if integral and not parameter.step else _decimal(parameter.step, f"{where}.step", integral=integral)
    )
    if step <= 0:
        raise InvalidExperiment(f"{where}.step", parameter.step, "it must be a number > 0")
    if (maximum - minimum) / step >= MAX_VALUES:
        raise InvalidExperiment(f"{where}.step", parameter.step, f"it makes more than {MAX_VALUES} values")
    count = int((maximum - minimum) // step) + 1
    return tuple(int(minimum + index * step) if integral else float(minimum + index * step) for index in range(count))


def _decimal(text: str, where: str, *, integral: bool = False) -> Decimal:
    """Read a number exactly: in binary, 0.1 + 2 * 0.1 is more than 0.3 and would miss the end of a range."""
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


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _no_duplicates(listed: tuple[str, ...] | list[Decimal], where: str) -> None:
    seen: set[str | Decimal] = set()
    for value in listed:
        if value in seen:
            raise InvalidExperiment(where, str(value), "a value may stand only once")
        seen.add(value)
