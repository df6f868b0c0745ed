"""The parameters of an operation of a NAS search space: each becomes the list of its values.

A value keeps the type of its space: what is categorical stays text, the rest are numbers.
"""

from typing import TypeAlias

from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Distribution, Operation, Parameter, ParameterType
from katib_suggestion.limits import DEFAULT, Limits
from katib_suggestion.parsing.feasible_space import check_text, decimal, listed, ranged

Value: TypeAlias = str | int | float

MAX_VALUES = 10_000
"""Most values of one parameter; a space beyond it is a mistake, such as a step of 1e-9."""

MAX_PARAMETERS = 100
"""Most parameters of one operation; Katib's have up to four."""


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
    found: dict[str, tuple[Value, ...]] = {}
    combinations = 1
    faults = Faults()
    for index, parameter in enumerate(operation.parameters):
        place = f"{where}.parameters[{index}]"
        with faults.noted():
            check_text(parameter.name, f"{place}.name")
            if parameter.name in found:
                raise InvalidExperiment(f"{place}.name", parameter.name, "a parameter's name may stand only once")
        with faults.noted():
            found[parameter.name] = values(parameter, f"{place}.feasibleSpace")
            combinations *= len(found[parameter.name])
        if combinations > limits.max_operations:
            break
    with faults.noted():
        if combinations > limits.max_operations:
            raise InvalidExperiment(where, combinations, limits.allowed("max_operations"))
    faults.raise_noted()
    return found


def values(parameter: Parameter, where: str) -> tuple[Value, ...]:
    """List the values of a parameter, in order; both ends of a range are included.

    Args:
        parameter: a parameter of any of the four types.
        where: where its feasible space stands in the experiment, for errors.

    Raises:
        InvalidExperiment: the space is empty, has a number that is none, or more than `MAX_VALUES` values.
    """
    if parameter.distribution is not Distribution.UNIFORM:
        given = parameter.distribution.value
        raise InvalidExperiment(f"{where}.distribution", given, "every value is tried alike; leave it out")
    if parameter.type is ParameterType.CATEGORICAL:
        return listed(parameter, where, MAX_VALUES)
    if parameter.type is ParameterType.DISCRETE:
        numbers = (decimal(text, f"{where}.list") for text in listed(parameter, where, MAX_VALUES))
        return tuple(int(number) if number == number.to_integral_value() else float(number) for number in numbers)
    return _range(parameter, where)


def _range(parameter: Parameter, where: str) -> tuple[Value, ...]:
    space = ranged(parameter, where)
    if space.step is None:
        raise InvalidExperiment(f"{where}.step", parameter.step, "a double of an operation needs a step")
    if (space.maximum - space.minimum) / space.step >= MAX_VALUES:
        raise InvalidExperiment(f"{where}.step", parameter.step, f"it makes more than {MAX_VALUES} values")
    kind = int if parameter.type is ParameterType.INT else float
    count = int((space.maximum - space.minimum) // space.step) + 1
    return tuple(kind(space.minimum + index * space.step) for index in range(count))
