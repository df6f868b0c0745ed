"""Protobuf to the types of `experiment` and back: the only place that reads a protobuf field."""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import (
    Direction,
    Distribution,
    Experiment,
    Objective,
    Operation,
    Parameter,
    ParameterType,
    Trial,
    TrialCondition,
)
from katib_suggestion.wire import api_pb2

Message = TypeVar("Message")
Read = TypeVar("Read")
Kind = TypeVar("Kind", bound=enum.Enum)

_PARAMETER_TYPES: dict[int, ParameterType] = {
    api_pb2.DOUBLE: ParameterType.DOUBLE,
    api_pb2.INT: ParameterType.INT,
    api_pb2.DISCRETE: ParameterType.DISCRETE,
    api_pb2.CATEGORICAL: ParameterType.CATEGORICAL,
}
_DIRECTIONS = {api_pb2.MINIMIZE: Direction.MINIMIZE, api_pb2.MAXIMIZE: Direction.MAXIMIZE}
_CONDITIONS = {
    api_pb2.TrialStatus.CREATED: TrialCondition.CREATED,
    api_pb2.TrialStatus.RUNNING: TrialCondition.RUNNING,
    api_pb2.TrialStatus.SUCCEEDED: TrialCondition.SUCCEEDED,
    api_pb2.TrialStatus.KILLED: TrialCondition.KILLED,
    api_pb2.TrialStatus.FAILED: TrialCondition.FAILED,
    api_pb2.TrialStatus.METRICSUNAVAILABLE: TrialCondition.METRICS_UNAVAILABLE,
    api_pb2.TrialStatus.EARLYSTOPPED: TrialCondition.EARLY_STOPPED,
}
_DISTRIBUTIONS: dict[int, Distribution] = {
    api_pb2.DISTRIBUTION_UNSPECIFIED: Distribution.UNIFORM,
    api_pb2.UNIFORM: Distribution.UNIFORM,
    api_pb2.LOG_UNIFORM: Distribution.LOG_UNIFORM,
    api_pb2.NORMAL: Distribution.NORMAL,
    api_pb2.LOG_NORMAL: Distribution.LOG_NORMAL,
}


def experiment(message: api_pb2.Experiment) -> Experiment:
    """Read an Experiment.

    Raises:
        InvalidExperiment: a parameter has no known type, or no known distribution.
    """
    spec = message.spec
    graph = spec.nas_config.graph_config
    faults = Faults()
    with faults.noted():
        parameters = _each(_parameter, spec.parameter_specs.parameters, "parameters")
    with faults.noted():
        operations = _each(_operation, spec.nas_config.operations.operation, "nasConfig.operations")
    faults.raise_noted()
    return Experiment(
        name=message.name,
        objective=_objective(spec.objective),
        additional_metrics=tuple(spec.objective.additional_metric_names),
        settings=tuple((setting.name, setting.value) for setting in spec.algorithm.algorithm_settings),
        parallel_trial_count=spec.parallel_trial_count,
        max_trial_count=spec.max_trial_count,
        parameters=parameters,
        num_layers=graph.num_layers,
        input_sizes=tuple(graph.input_sizes),
        output_sizes=tuple(graph.output_sizes),
        operations=operations,
    )


def trials(messages: Iterable[api_pb2.Trial]) -> list[Trial]:
    """Read the trials of a request, in their order."""
    return [
        Trial(
            name=message.name,
            condition=_CONDITIONS.get(message.status.condition, TrialCondition.UNKNOWN),
            assignments={item.name: item.value for item in message.spec.parameter_assignments.assignments},
            metrics={item.name: item.value for item in message.status.observation.metrics},
        )
        for message in messages
    ]


def reply(suggestions: Sequence[Mapping[str, str]]) -> api_pb2.GetSuggestionsReply:
    """Write suggestions: for each, assignment names and texts."""
    return api_pb2.GetSuggestionsReply(
        parameter_assignments=[
            api_pb2.GetSuggestionsReply.ParameterAssignments(
                assignments=[api_pb2.ParameterAssignment(name=name, value=value) for name, value in suggestion.items()]
            )
            for suggestion in suggestions
        ]
    )


def _objective(message: api_pb2.ObjectiveSpec) -> Objective | None:
    direction = _DIRECTIONS.get(message.type)
    if direction is None or not message.objective_metric_name:
        return None
    return Objective(metric=message.objective_metric_name, direction=direction)


def _operation(message: api_pb2.Operation, where: str) -> Operation:
    return Operation(
        type=message.operation_type,
        parameters=_each(_parameter, message.parameter_specs.parameters, f"{where}.parameters"),
    )


def _parameter(message: api_pb2.ParameterSpec, where: str) -> Parameter:
    space = message.feasible_space
    return Parameter(
        name=message.name,
        type=_known(message.parameter_type, _PARAMETER_TYPES, f"{where}.parameterType"),
        minimum=space.min,
        maximum=space.max,
        step=space.step,
        values=tuple(space.list),
        distribution=_known(space.distribution, _DISTRIBUTIONS, f"{where}.feasibleSpace.distribution"),
    )


def _each(read: Callable[[Message, str], Read], messages: Iterable[Message], where: str) -> tuple[Read, ...]:
    """Read all messages of a list, and say of all of them what is wrong."""
    found = []
    faults = Faults()
    for index, message in enumerate(messages):
        with faults.noted():
            found.append(read(message, f"{where}[{index}]"))
    faults.raise_noted()
    return tuple(found)


def _known(number: int, known: Mapping[int, Kind], where: str) -> Kind:
    if number not in known:
        allowed = f"it must be one of {', '.join(dict.fromkeys(kind.value for kind in known.values()))}"
        raise InvalidExperiment(where, "unknown", allowed)
    return known[number]
