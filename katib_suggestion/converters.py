"""Protobuf to the types of `experiment` and back: the only place that reads a protobuf field."""

from collections.abc import Iterable, Mapping, Sequence

from katib_suggestion import api_pb2
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import (
    Direction,
    Experiment,
    Objective,
    Operation,
    Parameter,
    ParameterType,
    Trial,
    TrialCondition,
)

_PARAMETER_TYPES = {
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
_UNIFORM = (api_pb2.DISTRIBUTION_UNSPECIFIED, api_pb2.UNIFORM)


def experiment(message: api_pb2.Experiment) -> Experiment:
    """Read an Experiment.

    Raises:
        InvalidExperiment: a parameter of an operation has no known type.
    """
    spec = message.spec
    graph = spec.nas_config.graph_config
    operations = []
    faults = Faults()
    for index, operation in enumerate(spec.nas_config.operations.operation):
        with faults.noted():
            operations.append(_operation(operation, f"nasConfig.operations[{index}]"))
    faults.raise_noted()
    return Experiment(
        name=message.name,
        objective=_objective(spec.objective),
        settings=tuple((setting.name, setting.value) for setting in spec.algorithm.algorithm_settings),
        parallel_trial_count=spec.parallel_trial_count,
        max_trial_count=spec.max_trial_count,
        num_layers=graph.num_layers,
        input_sizes=tuple(graph.input_sizes),
        output_sizes=tuple(graph.output_sizes),
        operations=tuple(operations),
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
    parameters = []
    faults = Faults()
    for index, parameter in enumerate(message.parameter_specs.parameters):
        with faults.noted():
            parameters.append(_parameter(parameter, f"{where}.parameters[{index}]"))
    faults.raise_noted()
    return Operation(type=message.operation_type, parameters=tuple(parameters))


def _parameter(message: api_pb2.ParameterSpec, where: str) -> Parameter:
    if message.parameter_type not in _PARAMETER_TYPES:
        allowed = f"it must be one of {', '.join(kind.value for kind in ParameterType)}"
        raise InvalidExperiment(f"{where}.parameterType", "unknown", allowed)
    space = message.feasible_space
    return Parameter(
        name=message.name,
        type=_PARAMETER_TYPES[message.parameter_type],
        minimum=space.min,
        maximum=space.max,
        step=space.step,
        values=tuple(space.list),
        uniform=space.distribution in _UNIFORM,
    )
