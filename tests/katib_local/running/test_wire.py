"""What the service gets to see."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from katib_local.manifest import manifest as manifests
from katib_local.record.trials import Trial
from katib_local.running import wire
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.wire import api_pb2

Make = Callable[..., dict[str, Any]]
NOW = datetime(2024, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

TRIAL = Trial(
    name="t-1",
    number=1,
    condition=TrialCondition.SUCCEEDED,
    assignments={"b": "[[1], [0, 1]]", "a": "{'x': '7'}"},
    labels={"l": "m"},
    started=NOW,
    finished=NOW,
    exit_code=0,
    observation={"score": "0.50", "note": "unavailable"},
)


def test_an_experiment_with_a_search_space(manifest: Make) -> None:
    space = {"min": "1", "max": "3"}
    changes = {
        "spec.objective.goal": 0.5,
        "spec.objective.additionalMetricNames": ["note"],
        "spec.algorithm.algorithmSettings": [{"name": "a", "value": "1"}, {"name": "b", "value": "None"}],
        "spec.nasConfig.operations": [
            {"operationType": "x", "parameters": [{"name": "p", "parameterType": "int", "feasibleSpace": space}]},
            {"operationType": "y"},
        ],
    }
    message = wire.experiment_message(manifests.parse(manifest(changes)), {"b": "2", "c": "3"})
    assert message == api_pb2.Experiment(
        name="mini",
        spec=api_pb2.ExperimentSpec(
            objective=api_pb2.ObjectiveSpec(
                type=api_pb2.MAXIMIZE, goal=0.5, objective_metric_name="score", additional_metric_names=["note"]
            ),
            algorithm=api_pb2.AlgorithmSpec(
                algorithm_name="scripted",
                algorithm_settings=[
                    api_pb2.AlgorithmSetting(name=name, value=value) for name, value in ("a1", "b2", "c3")
                ],
            ),
            parallel_trial_count=1,
            max_trial_count=2,
            nas_config=api_pb2.NasConfig(
                graph_config=api_pb2.GraphConfig(num_layers=2, input_sizes=[4, 4, 1], output_sizes=[10]),
                operations=api_pb2.NasConfig.Operations(
                    operation=[
                        api_pb2.Operation(
                            operation_type="x",
                            parameter_specs=api_pb2.Operation.ParameterSpecs(
                                parameters=[
                                    api_pb2.ParameterSpec(
                                        name="p",
                                        parameter_type=api_pb2.INT,
                                        feasible_space=api_pb2.FeasibleSpace(min="1", max="3"),
                                    )
                                ]
                            ),
                        ),
                        api_pb2.Operation(operation_type="y", parameter_specs=api_pb2.Operation.ParameterSpecs()),
                    ]
                ),
            ),
        ),
    )


def test_an_experiment_with_parameters(manifest: Make) -> None:
    parameters = [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "1"}}]
    changes = {"spec.nasConfig": ..., "spec.parameters": parameters, "spec.maxTrialCount": ...}
    spec = wire.experiment_message(manifests.parse(manifest(changes)), {}).spec
    assert not spec.HasField("nas_config")
    assert spec.max_trial_count == 0
    assert list(spec.parameter_specs.parameters) == [
        api_pb2.ParameterSpec(
            name="lr",
            parameter_type=api_pb2.DOUBLE,
            feasible_space=api_pb2.FeasibleSpace(min="0.1", max="1", distribution=api_pb2.UNIFORM),
        )
    ]


def test_early_stopping(manifest: Make) -> None:
    settings = [{"name": "start_step", "value": "2"}]
    spec = {"spec.earlyStopping": {"algorithmName": "medianstop", "algorithmSettings": settings}}
    experiment = manifests.parse(manifest(spec))
    stopped = replace(TRIAL, condition=TrialCondition.EARLY_STOPPED)
    request = wire.suggestions_request(experiment, {}, [stopped], 1)
    assert request.experiment.spec.early_stopping == api_pb2.EarlyStoppingSpec(
        algorithm_name="medianstop", algorithm_settings=[api_pb2.EarlyStoppingSetting(name="start_step", value="2")]
    )
    (trial,) = request.trials
    assert trial.status.condition == api_pb2.TrialStatus.EARLYSTOPPED
    assert [item.value for item in trial.status.observation.metrics] == ["0.50", "unavailable"]


def test_trials_go_with_their_own_assignments_word_for_word(manifest: Make) -> None:
    trials = [
        TRIAL,
        replace(TRIAL, name="t-2", condition=TrialCondition.METRICS_UNAVAILABLE, observation=None),
        replace(TRIAL, name="t-3", condition=TrialCondition.FAILED),
        replace(TRIAL, name="t-4", condition=TrialCondition.RUNNING, finished=None, observation=None),
    ]
    request = wire.suggestions_request(manifests.parse(manifest()), {}, trials, 3)
    assert (request.current_request_number, request.total_request_number) == (3, 7)
    assert [trial.name for trial in request.trials] == ["t-1", "t-3", "t-4"]
    first, failed, running = request.trials
    assert [(item.name, item.value) for item in first.spec.parameter_assignments.assignments] == [
        ("b", "[[1], [0, 1]]"),
        ("a", "{'x': '7'}"),
    ]
    assert dict(first.spec.labels) == {"l": "m"}
    assert first.spec.objective.objective_metric_name == "score"
    assert first.status.condition == api_pb2.TrialStatus.SUCCEEDED
    assert (first.status.start_time, first.status.completion_time) == ("2024-01-02T03:04:05Z",) * 2
    assert [(item.name, item.value) for item in first.status.observation.metrics] == [
        ("score", "0.50"),
        ("note", "unavailable"),
    ]
    assert failed.status.condition == api_pb2.TrialStatus.FAILED
    assert len(failed.status.observation.metrics) == 0
    assert (running.status.condition, running.status.completion_time) == (api_pb2.TrialStatus.RUNNING, "")
