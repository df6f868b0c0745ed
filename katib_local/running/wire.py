"""An experiment and its trials become the messages that the Katib controller would send, and its reply is read.

The one place of the runner that touches a protobuf field.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from katib_local.manifest.early_stopping import MEDIAN_STOP
from katib_local.manifest.experiment import Experiment, ParameterSpec
from katib_local.record.trials import MEASURED, Trial
from katib_suggestion.experiment import Direction, TrialCondition
from katib_suggestion.wire import api_pb2

_DIRECTIONS = {Direction.MINIMIZE: api_pb2.MINIMIZE, Direction.MAXIMIZE: api_pb2.MAXIMIZE}

_TYPES = {
    "double": api_pb2.DOUBLE,
    "int": api_pb2.INT,
    "discrete": api_pb2.DISCRETE,
    "categorical": api_pb2.CATEGORICAL,
}

_DISTRIBUTIONS = {
    "": api_pb2.DISTRIBUTION_UNSPECIFIED,
    "uniform": api_pb2.UNIFORM,
    "logUniform": api_pb2.LOG_UNIFORM,
    "normal": api_pb2.NORMAL,
    "logNormal": api_pb2.LOG_NORMAL,
}

_CONDITIONS = {
    TrialCondition.CREATED: api_pb2.TrialStatus.CREATED,
    TrialCondition.RUNNING: api_pb2.TrialStatus.RUNNING,
    TrialCondition.SUCCEEDED: api_pb2.TrialStatus.SUCCEEDED,
    TrialCondition.KILLED: api_pb2.TrialStatus.KILLED,
    TrialCondition.FAILED: api_pb2.TrialStatus.FAILED,
    TrialCondition.EARLY_STOPPED: api_pb2.TrialStatus.EARLYSTOPPED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a service suggests for one trial."""

    pairs: tuple[tuple[str, str], ...]
    """Names and values, in order, as they came."""
    trial_name: str
    """A name that the service wants for the trial; may be empty."""
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a service answered."""

    assignments: tuple[Assignment, ...]
    settings: Mapping[str, str]
    """Algorithm settings to be merged into those of later requests."""


def experiment_message(experiment: Experiment, reply_settings: Mapping[str, str]) -> api_pb2.Experiment:
    """Write an experiment, with the settings that the service has returned merged into its own."""
    spec = api_pb2.ExperimentSpec(
        objective=_objective(experiment),
        algorithm=api_pb2.AlgorithmSpec(
            algorithm_name=experiment.algorithm,
            algorithm_settings=[
                api_pb2.AlgorithmSetting(name=name, value=value)
                for name, value in _merged(experiment.settings, reply_settings)
            ],
        ),
        parallel_trial_count=experiment.parallel_trials,
        max_trial_count=experiment.max_trials or 0,
    )
    if experiment.early_stopping is not None:
        spec.early_stopping.algorithm_name = MEDIAN_STOP
        for name, value in experiment.early_stopping.settings:
            spec.early_stopping.algorithm_settings.add(name=name, value=value)
    if experiment.parameters:
        spec.parameter_specs.parameters.extend(_parameters(experiment.parameters))
    if experiment.nas is not None:
        graph = spec.nas_config.graph_config
        graph.num_layers = experiment.nas.num_layers
        graph.input_sizes.extend(experiment.nas.input_sizes)
        graph.output_sizes.extend(experiment.nas.output_sizes)
        for item in experiment.nas.operations:
            operation = spec.nas_config.operations.operation.add(operation_type=item.type)
            operation.parameter_specs.parameters.extend(_parameters(item.parameters))
    return api_pb2.Experiment(name=experiment.name, spec=spec)


def suggestions_request(
    experiment: Experiment, reply_settings: Mapping[str, str], trials: Sequence[Trial], count: int
) -> api_pb2.GetSuggestionsRequest:
    """Ask for count more trials; those whose metrics are unavailable are left out, as Katib does."""
    return api_pb2.GetSuggestionsRequest(
        experiment=experiment_message(experiment, reply_settings),
        trials=[
            _trial(experiment, trial) for trial in trials if trial.condition is not TrialCondition.METRICS_UNAVAILABLE
        ],
        current_request_number=count,
        total_request_number=len(trials) + count,
    )


def read_reply(message: api_pb2.GetSuggestionsReply) -> Reply:
    """Read a reply, unchecked."""
    return Reply(
        assignments=tuple(
            Assignment(
                pairs=tuple((pair.name, pair.value) for pair in item.assignments),
                trial_name=item.trial_name,
                labels=dict(item.labels),
            )
            for item in message.parameter_assignments
        ),
        settings={item.name: item.value for item in message.algorithm.algorithm_settings},
    )


def _objective(experiment: Experiment) -> api_pb2.ObjectiveSpec:
    objective = experiment.objective
    return api_pb2.ObjectiveSpec(
        type=_DIRECTIONS[objective.direction],
        goal=objective.goal or 0.0,
        objective_metric_name=objective.metric,
        additional_metric_names=objective.additional_metrics,
    )


def _parameters(specs: Iterable[ParameterSpec]) -> list[api_pb2.ParameterSpec]:
    return [
        api_pb2.ParameterSpec(
            name=spec.name,
            parameter_type=_TYPES[spec.type],
            feasible_space=api_pb2.FeasibleSpace(
                min=spec.minimum,
                max=spec.maximum,
                step=spec.step,
                list=spec.values,
                distribution=_DISTRIBUTIONS[spec.distribution],
            ),
        )
        for spec in specs
    ]


def _merged(settings: Iterable[tuple[str, str]], newer: Mapping[str, str]) -> list[tuple[str, str]]:
    """Settings with newer values in their places, and new names at the end."""
    pairs = [(name, newer.get(name, value)) for name, value in settings]
    names = {name for name, _ in pairs}
    return [*pairs, *((name, value) for name, value in newer.items() if name not in names)]


def _trial(experiment: Experiment, trial: Trial) -> api_pb2.Trial:
    # Katib sends an observation with every trial that has one; ours has one once it was measured.
    observation = trial.observation if trial.condition in MEASURED else None
    return api_pb2.Trial(
        name=trial.name,
        spec=api_pb2.TrialSpec(
            objective=_objective(experiment),
            parameter_assignments=api_pb2.TrialSpec.ParameterAssignments(
                assignments=[
                    api_pb2.ParameterAssignment(name=name, value=value) for name, value in trial.assignments.items()
                ]
            ),
            labels=trial.labels,
        ),
        status=api_pb2.TrialStatus(
            start_time=_time(trial.started),
            completion_time=_time(trial.finished),
            condition=_CONDITIONS[trial.condition],
            observation=api_pb2.Observation(
                metrics=[api_pb2.Metric(name=name, value=value) for name, value in (observation or {}).items()]
            ),
        ),
    )


def _time(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else ""
