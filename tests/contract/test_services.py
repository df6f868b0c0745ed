"""Both services over real gRPC, called by Katib's own client and by ours."""

import itertools
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2

from katib_suggestion.parsing import assignment
from katib_suggestion.wire import api_pb2


def run_katibs_client(python, port, experiment):
    client = "tests/contract/katib_client.py"
    ended = subprocess.run(
        [python, client, str(port)],
        input=json_format.MessageToJson(experiment),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=python.parents[2],
    )
    assert ended.returncode == 0, ended.stderr
    return [
        [
            {item["name"]: item["value"] for item in suggestion["assignments"]}
            for suggestion in reply["parameterAssignments"]
        ]
        for reply in json.loads(ended.stdout)
    ]


def test_katibs_client_drives_enas_through_three_rounds(katib_python, enas_service, build):
    rounds = run_katibs_client(katib_python, enas_service.port, build.enas(name="foreign", num_layers=8))
    assert [len(suggestions) for suggestions in rounds] == [3, 3, 3]
    for suggestion in itertools.chain(*rounds):
        assert set(suggestion) == {"architecture", "nn_config"}
        rows = json.loads(suggestion["architecture"])
        assert [len(row) for row in rows] == list(range(1, 9))
        config = json.loads(suggestion["nn_config"].replace("'", '"'))
        assert {str(row[0]) for row in rows} == set(config["embedding"])
    assert "learning from trial-0-0, trial-0-1, trial-0-2" in enas_service.log.read_text()


@pytest.mark.fault(13)
def test_katibs_client_drives_darts_through_three_rounds(katib_python, darts_service, build):
    rounds = run_katibs_client(katib_python, darts_service.port, build.darts(settings={"num_epochs": "3"}))
    suggestions = list(itertools.chain(*rounds))
    assert len(suggestions) == 9
    assert all(one == suggestions[0] for one in suggestions)
    assert set(suggestions[0]) == {"algorithm-settings", "search-space", "num-layers"}


@pytest.mark.fault(9)
@pytest.mark.parametrize("count", [0, -1, -(2**31)])
def test_nothing_is_suggested_where_nothing_is_asked_for(enas_service, darts_service, build, count):
    for service, experiment in ((enas_service, build.enas()), (darts_service, build.darts())):
        service.stub.GetSuggestions(build.request(experiment, 2), timeout=60)
        assert not service.stub.GetSuggestions(build.request(experiment, count), timeout=60).parameter_assignments


@pytest.mark.fault(8)
def test_forty_concurrent_calls_each_get_their_count(enas_service, build):
    counts = [3, 4, 5, 6] * 10
    with ThreadPoolExecutor(40) as pool:
        replies = pool.map(
            lambda count: enas_service.stub.GetSuggestions(build.request(build.enas(name="busy"), count), timeout=60),
            counts,
        )
    assert [len(reply.parameter_assignments) for reply in replies] == counts


@pytest.mark.fault(5)
def test_a_bad_trial_blocks_no_later_call(enas_service, build):
    experiment = build.enas(name="bad-trials")
    values = ["", "nan", "inf", "1e999", "Genotype(normal=[])", "0.5"]
    first = build.assignments(enas_service.stub.GetSuggestions(build.request(experiment, len(values)), timeout=60))
    trials = [
        build.trial(f"t{index}", one, {"Validation-Accuracy": value})
        for index, (one, value) in enumerate(zip(first, values, strict=True))
    ]
    trials.append(build.trial("no-metric", first[0]))
    trials.append(build.trial("no-assignments", {}, {"Validation-Accuracy": "0.5"}))
    for _ in range(2):
        reply = enas_service.stub.GetSuggestions(build.request(experiment, 3, trials), timeout=60)
        assert len(reply.parameter_assignments) == 3


@pytest.mark.fault(4)
@pytest.mark.parametrize("condition", [*api_pb2.TrialStatus.TrialConditionType.values(), 99])
def test_trials_of_any_condition_are_taken(enas_service, build, condition):
    experiment = build.enas(name=f"condition-{condition}")
    first = build.assignments(enas_service.stub.GetSuggestions(build.request(experiment, 2), timeout=60))
    trials = [build.trial(f"t{index}", one, condition=condition) for index, one in enumerate(first)]
    assert (
        len(enas_service.stub.GetSuggestions(build.request(experiment, 3, trials), timeout=60).parameter_assignments)
        == 3
    )


def refusal(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in caught.value.details()
    return caught.value.details()


@pytest.mark.fault(10)
@pytest.mark.fault(11)
@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("algorithm", "settings", "num_layers", "said"),
    [
        ("enas", {"controller_learning_rate": "nan"}, 4, r"algorithmSettings\.controller_learning_rate: 'nan' .*> 0"),
        ("enas", {"controller_hidden_size": "99999999999999999999"}, 4, "controller_hidden_size"),
        ("enas", {"learning_rate": "1"}, 4, "did you mean controller_learning_rate"),
        ("enas", {}, -3, "numLayers: -3"),
        ("darts", {"w_lr": "inf"}, 3, r"algorithmSettings\.w_lr: 'inf' .*number >= 0 and <= 1e"),
        ("darts", {"epochs": "3"}, 3, "unknown setting"),
        ("darts", {}, 0, "numLayers: 0"),
    ],
)
def test_what_is_wrong_is_refused_by_both_calls(
    enas_service, darts_service, build, algorithm, settings, num_layers, said
):
    service = {"enas": enas_service, "darts": darts_service}[algorithm]
    experiment = getattr(build, algorithm)(settings=settings, num_layers=num_layers)
    validate = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    assert re.search(said, refusal(service.stub.ValidateAlgorithmSettings, validate))
    assert re.search(said, refusal(service.stub.GetSuggestions, build.request(experiment, 1)))


def test_all_that_is_wrong_is_said_at_once(enas_service, darts_service, build):
    no_values = build.parameter("filter_size", api_pb2.CATEGORICAL)
    enas = build.enas(
        build.operation("", no_values),
        settings={"controller_hidden_size": "0", "controller_temprature": "5", "controller_train_steps": "1e9"},
        num_layers=0,
    )
    enas.spec.objective.objective_metric_name = ""
    del enas.spec.nas_config.graph_config.output_sizes[:]
    darts = build.darts(
        build.operation("convolution", no_values),
        build.operation("max_pooling", no_values),
        settings={"num_epochs": "0", "w_lr": "inf"},
        num_layers=0,
    )
    expected = {
        enas_service: [
            "algorithmSettings.controller_hidden_size", "algorithmSettings",
            "algorithmSettings.controller_train_steps", "objective", "nasConfig.graphConfig.numLayers",
            "nasConfig.graphConfig.outputSizes", "nasConfig.operations[0].operationType",
            "nasConfig.operations[0].parameters[0].feasibleSpace.list",
        ],
        darts_service: [
            "nasConfig.graphConfig.numLayers", "algorithmSettings.num_epochs", "algorithmSettings.w_lr",
            "nasConfig.operations[0].operationType", "nasConfig.operations[1].parameters[0].feasibleSpace.list",
        ],
    }  # fmt: skip
    for service, experiment in ((enas_service, enas), (darts_service, darts)):
        validate = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
        for message in (
            refusal(service.stub.ValidateAlgorithmSettings, validate),
            refusal(service.stub.GetSuggestions, build.request(experiment, 1)),
        ):
            assert "\n" not in message
            told, _, named = message.partition("; also ")
            fields = re.findall(r"(?:^|; )([a-zA-Z][\w.\[\]]+): ", told) + (named.split(", ") if named else [])
            assert fields == expected[service]


def test_a_count_beyond_reason_is_refused(enas_service, darts_service, build):
    for service, experiment in ((enas_service, build.enas()), (darts_service, build.darts())):
        said = refusal(service.stub.GetSuggestions, build.request(experiment, 2**31 - 1))
        assert "current_request_number: 2147483647 is not allowed: at most 1000" in said


def test_a_setting_given_twice_is_refused_over_the_wire(enas_service, build):
    experiment = build.enas(settings={"controller_train_steps": "3"})
    experiment.spec.algorithm.algorithm_settings.add(name="controller_train_steps", value="4")
    request = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    assert "given twice" in refusal(enas_service.stub.ValidateAlgorithmSettings, request)


def test_a_request_beyond_grpcs_default_of_4_mb_is_answered(enas_service, build):
    experiment = build.enas(name="long")
    (suggestion,) = build.assignments(enas_service.stub.GetSuggestions(build.request(experiment, 1), timeout=60))
    padding = {"padding": "x" * 4000}
    trials = [
        build.trial(f"t{index}", suggestion | padding, condition=api_pb2.TrialStatus.RUNNING) for index in range(2000)
    ]
    request = build.request(experiment, 3, trials)
    assert request.ByteSize() > 8 * 2**20
    assert len(enas_service.stub.GetSuggestions(request, timeout=60).parameter_assignments) == 3


@pytest.fixture(scope="module")
def fresh(start_service):
    """An ENAS service with an interpreter of its own, and what it said of its health as soon as its port was open."""
    service = start_service("enas_service", "--seed", "1", cold=True)
    status = service.health()
    service.wait_until_serving()
    return service, status


def test_enas_answers_health_before_tensorflow_is_imported(fresh):
    _, status = fresh
    assert status == health_pb2.HealthCheckResponse.NOT_SERVING


def libraries(service):
    """The packages whose compiled parts a process has in memory."""
    return set(re.findall(r"site-packages/(\w+)/", Path(f"/proc/{service.process.pid}/maps").read_text()))


def test_a_service_loads_what_it_needs_and_enas_not_what_keras_would_like(fresh, darts_service):
    assert {"grpc", "google"} <= libraries(darts_service)
    assert not libraries(darts_service) & {"tensorflow", "torch", "numpy"}
    assert {"tensorflow", "numpy"} <= libraries(fresh[0])
    assert not libraries(fresh[0]) & {"torch", "sklearn", "scipy", "pandas", "PIL", "h5py"}


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    "num_rounds", [80, pytest.param(500, marks=pytest.mark.long("a small leak shows after many rounds"))]
)
def test_rounds_do_not_grow(fresh, build, num_rounds):
    service, _ = fresh
    sizes = build.parameter("size", api_pb2.INT, min="1", max="100")
    experiment = build.enas(build.operation("convolution", sizes), name=f"{num_rounds}-rounds", num_layers=2)

    def anonymous_mib():
        status = Path(f"/proc/{service.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) / 1024

    trials, memory = [], []
    for number in range(num_rounds):
        reply = service.stub.GetSuggestions(build.request(experiment, 3, trials), timeout=60)
        for one in build.assignments(reply):
            trials.append(build.trial(f"t-{len(trials)}", one, {"Validation-Accuracy": str(number / num_rounds)}))
        memory.append(anonymous_mib())
    # Katib's graph grows by 61 nodes a call, some 130 MiB in ten rounds. Ours holds what the largest request took.
    assert memory[-1] - memory[num_rounds // 10 - 1] < 20, memory[::10]


def test_values_leave_the_services_safe_for_a_shell(enas_service, darts_service, build):
    enas = build.assignments(enas_service.stub.GetSuggestions(build.request(build.enas(), 5), timeout=60))
    darts = build.assignments(darts_service.stub.GetSuggestions(build.request(build.darts(), 1), timeout=60))
    for suggestion in enas + darts:
        for value in suggestion.values():
            assert not set(value) & set('"\\$`\n')
            printed = subprocess.run(["sh", "-c", f'printf %s "{value}"'], capture_output=True, text=True, check=True)
            assert printed.stdout == value
            assert assignment.decode(value) is not None


@pytest.mark.fault(3)
def test_a_service_that_is_killed_goes_on_bit_for_bit(start_service, build, tmp_path):
    def start(folder):
        service = start_service("enas_service", "--seed", "11", "--state-dir", str(tmp_path / folder))
        service.wait_until_serving()
        return service

    def go_on(service, trials, num_rounds):
        for _ in range(num_rounds):
            reply = service.stub.GetSuggestions(build.request(experiment, 3, trials), timeout=60)
            for one in build.assignments(reply):
                metrics = {"Validation-Accuracy": str(one["architecture"].count("1") / 10)}
                trials = [*trials, build.trial(f"t{len(trials)}", one, metrics)]
        return trials

    experiment = build.enas(name="killed", num_layers=5)
    unbroken = go_on(start("unbroken"), [], 6)
    killed = start("killed")
    trials = go_on(killed, [], 4)
    killed.process.kill()
    killed.process.wait()
    assert go_on(start("killed"), trials, 2) == unbroken
