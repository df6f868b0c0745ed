"""Searches for cells over real gRPC, asked for by Katib's own client."""

import json
import re
import subprocess
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from katib_suggestion.wire import api_pb2

TESTS = Path(__file__).parent
OPERATIONS = {"micro": 5, "recurrent": 4}


@pytest.mark.parametrize(("kind", "num_rows", "num_numbers"), [("micro", 2, 20), ("recurrent", 1, 16)])
def test_katibs_client_drives_a_search_for_cells(katib_python, enas_service, build, kind, num_rows, num_numbers):
    experiment = getattr(build, kind)(name=f"foreign-{kind}", settings={"controller_skip_weight": "1"})
    # The client reports it, whatever the objective is.
    experiment.spec.objective.objective_metric_name = "Validation-Accuracy"
    ended = subprocess.run(
        [katib_python, TESTS / "katib_client.py", str(enas_service.port)],
        input=json_format.MessageToJson(experiment), capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    suggestions = [
        {item["name"]: item["value"] for item in suggestion["assignments"]}
        for reply in json.loads(ended.stdout)
        for suggestion in reply["parameterAssignments"]
    ]
    assert len({tuple(one.items()) for one in suggestions}) == 9
    for one in suggestions:
        assert list(one) == ["architecture", "nn_config"]
        assert not set('"\\$`\n') & set("".join(one.values()))
        assert [len(row) for row in json.loads(one["architecture"])] == [num_numbers] * num_rows
        config = json.loads(one["nn_config"].replace("'", '"'))
        assert config["search_for"] == kind
        assert list(config["embedding"]) == [str(number) for number in range(OPERATIONS[kind])]
    log = enas_service.log.read_text()
    assert f"foreign-{kind}: learning from trial-0-0, trial-0-1, trial-0-2" in log
    assert f"foreign-{kind}: controller_skip_weight means nothing here: there are no joins" in log


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("micro", lambda graph: setattr(graph, "num_layers", 2), r"nasConfig\.graphConfig\.numLayers: 2 .*>= 3"),
        (
            "micro",
            lambda graph: graph.input_sizes.append(1),
            r"nasConfig\.graphConfig\.inputSizes: .*height, width, cha",
        ),
        (
            "recurrent",
            lambda graph: setattr(graph, "num_layers", 8),
            r"nasConfig\.graphConfig\.numLayers: 8 .*must be 1",
        ),
        ("recurrent", lambda graph: graph.output_sizes.append(1), r"nasConfig\.graphConfig\.outputSizes: .*vocabulary"),
    ],
)
def test_what_is_wrong_is_refused_by_both_calls(enas_service, build, kind, change, said):
    experiment = getattr(build, kind)()
    change(experiment.spec.nas_config.graph_config)
    validation = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    for call, request in (
        (enas_service.stub.ValidateAlgorithmSettings, validation),
        (enas_service.stub.GetSuggestions, build.request(experiment, 1)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=60)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert re.match(said, caught.value.details())


@pytest.mark.parametrize("kind", ["micro", "recurrent"])
def test_operations_of_the_other_kind_are_refused(enas_service, build, kind):
    experiment = build.micro(settings={"search_for": "recurrent"}) if kind == "micro" else build.recurrent()
    if kind == "recurrent":
        experiment.spec.algorithm.algorithm_settings[0].value = "micro"
    with pytest.raises(grpc.RpcError) as caught:
        enas_service.stub.ValidateAlgorithmSettings(
            api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment), timeout=60
        )
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "nasConfig.operations[0].operationType: " in caught.value.details()
