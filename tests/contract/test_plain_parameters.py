"""Searches over plain parameters over real gRPC, asked for by Katib's own client and by the Kubeflow SDK's types."""

import json
import re
import subprocess
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from katib_suggestion.wire import api_pb2

TESTS = Path(__file__).parent
SDKS_TYPES = {"double": api_pb2.DOUBLE, "categorical": api_pb2.CATEGORICAL}
SDKS_DISTRIBUTIONS = {"uniform": api_pb2.UNIFORM, "logUniform": api_pb2.LOG_UNIFORM}


@pytest.fixture
def plain(build):
    return build.plain(
        build.parameter("lr", api_pb2.DOUBLE, min="0.01", max="0.03"),
        build.parameter("num-layers", api_pb2.INT, min="2", max="5"),
        build.parameter("optimizer", api_pb2.CATEGORICAL, list=["sgd", "adam", "ftrl"]),
    )


def by_katibs_client(python, service, experiment):
    """Three rounds of three trials by Katib's client; the assignments of each."""
    ended = subprocess.run(
        [python, TESTS / "katib_client.py", str(service.port)],
        input=json_format.MessageToJson(experiment), capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return [
        {item["name"]: item["value"] for item in suggestion["assignments"]}
        for reply in json.loads(ended.stdout)
        for suggestion in reply["parameterAssignments"]
    ]


def test_katibs_client_drives_a_search_over_plain_parameters(katib_python, enas_service, plain):
    plain.name = "foreign-plain"
    suggestions = by_katibs_client(katib_python, enas_service, plain)
    assert len({tuple(one.items()) for one in suggestions}) == 9
    for one in suggestions:
        assert list(one) == ["lr", "num-layers", "optimizer"]
        assert 0.01 <= float(one["lr"]) <= 0.03
        assert one["num-layers"] in ("2", "3", "4", "5")
        assert one["optimizer"] in ("sgd", "adam", "ftrl")
    log = enas_service.log.read_text()
    assert "foreign-plain: lr: of its range these are tried, even: 0.01, 0.01133, " in log
    assert "foreign-plain: learning from trial-0-0, trial-0-1, trial-0-2" in log


def test_an_experiment_of_the_kubeflow_sdks_types_is_searched(katib_python, enas_service):
    made = subprocess.run([katib_python, TESTS / "kubeflow_sdk.py"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    spec = document["spec"]
    # As Katib's controller writes it to the wire.
    parameters = [
        api_pb2.ParameterSpec(
            name=one["name"],
            parameter_type=SDKS_TYPES[one["parameterType"]],
            feasible_space=json_format.ParseDict(
                one["feasibleSpace"]
                | {"distribution": SDKS_DISTRIBUTIONS.get(one["feasibleSpace"].get("distribution"), 0)},
                api_pb2.FeasibleSpace(),
            ),
        )
        for one in spec["parameters"]
    ]
    message = api_pb2.Experiment(
        name=document["metadata"]["name"],
        spec=api_pb2.ExperimentSpec(
            parameter_specs=api_pb2.ExperimentSpec.ParameterSpecs(parameters=parameters),
            objective=api_pb2.ObjectiveSpec(type=api_pb2.MAXIMIZE, objective_metric_name="Validation-Accuracy"),
            algorithm=json_format.ParseDict(spec["algorithm"], api_pb2.AlgorithmSpec()),
            parallel_trial_count=spec["parallelTrialCount"],
            max_trial_count=spec["maxTrialCount"],
        ),
    )
    suggestions = by_katibs_client(katib_python, enas_service, message)
    assert len(suggestions) == 9
    for one in suggestions:
        assert list(one) == ["lr", "dropout", "block", "width"]
        assert 1e-4 <= float(one["lr"]) <= 0.1
        assert 0 <= float(one["dropout"]) <= 0.5
        assert one["width"] in ("16", "32", "64")


def test_the_same_request_gets_the_same_reply(enas_service, plain, build):
    plain.name = "again"
    request = build.request(plain, 3)
    first, again = (build.assignments(enas_service.stub.GetSuggestions(request, timeout=60)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("change", ["both", "neither", "many", "name", "step", "distribution", "type"])
def test_what_is_wrong_is_refused_by_both_calls(enas_service, plain, build, change):
    parameters = plain.spec.parameter_specs.parameters
    if change == "both":
        plain.spec.nas_config.CopyFrom(build.enas().spec.nas_config)
    elif change == "neither":
        del parameters[:]
    elif change == "many":
        parameters.extend(build.parameter(f"p{index}", api_pb2.INT, min="1", max="2") for index in range(98))
    elif change == "name":
        parameters[1].name = "lr"
    elif change == "step":
        parameters[0].feasible_space.step = "1e-9"
    elif change == "distribution":
        parameters[0].feasible_space.distribution = 99
    else:
        parameters[2].parameter_type = 99
    said = {
        "both": r"spec: 'both' .* exactly one of nasConfig and parameters",
        "neither": r"spec: 'neither' .* exactly one of nasConfig and parameters",
        "many": r"parameters: 101 .* at most 100 of them",
        "name": r"parameters\[1\]\.name: 'lr' .* only once",
        "step": r"parameters\[0\]\.feasibleSpace\.step: '1e-9' .* more than 100 values",
        "distribution": r"parameters\[0\]\.feasibleSpace\.distribution: .* uniform, logUniform, normal, logNormal",
        "type": r"parameters\[2\]\.parameterType: .* double, int, discrete, categorical",
    }[change]
    validation = api_pb2.ValidateAlgorithmSettingsRequest(experiment=plain)
    for call, request in (
        (enas_service.stub.ValidateAlgorithmSettings, validation),
        (enas_service.stub.GetSuggestions, build.request(plain, 1)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=60)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert re.match(said, caught.value.details())
