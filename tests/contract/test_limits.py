"""Sizes that would exhaust a service are refused by both calls, with the limit and the flag that raises it."""

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from enas_service.limits import DEFAULT
from katib_suggestion.wire import api_pb2, api_pb2_grpc


def refusal(call, request, within_s=5):
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()
    assert time.monotonic() - started < within_s
    return caught.value.details()


def refused_by_both(service, build, experiment):
    said = refusal(
        service.stub.ValidateAlgorithmSettings, api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    )
    assert refusal(service.stub.GetSuggestions, build.request(experiment, 1)) == said
    return said


def wide(build, kind="convolution"):
    """10^6 combinations, of six parameters with ten values each."""
    return build.operation(kind, *(build.parameter(f"p{index}", api_pb2.INT, min="0", max="9") for index in range(6)))


def test_a_million_operations_are_refused_by_both_services(enas_service, darts_service, build):
    for service, experiment in (
        (enas_service, build.enas(wide(build))),
        (darts_service, build.darts(wide(build, "max_pooling"))),
    ):
        said = refused_by_both(service, build, experiment)
        assert re.search(r"operations\[0\]: 100000 is not allowed: at most 10000 operations.*--max-operations", said)


def test_many_operations_count_together(enas_service, build):
    one = build.operation("convolution", build.parameter("p", api_pb2.INT, min="1", max="6000"))
    assert "12000 is not allowed" in refused_by_both(enas_service, build, build.enas(one, one))


def test_a_product_beyond_any_number_is_refused_before_it_is_made(enas_service, build):
    many = [build.parameter(f"p{index}", api_pb2.INT, min="1", max="9999") for index in range(100)]
    assert "--max-operations" in refused_by_both(enas_service, build, build.enas(build.operation("convolution", *many)))


@pytest.mark.parametrize(
    ("settings", "num_layers", "said"),
    [
        ({}, 100_000, r"numLayers: 100000 is not allowed: at most 100 layers; --max-layers raises it"),
        (
            {"controller_hidden_size": "1000000000"},
            4,
            r"controller_hidden_size: 1000000000 is not allowed: at most 1024 .*; --max-hidden-size raises it",
        ),
        ({"controller_train_steps": "1001"}, 4, r"controller_train_steps: 1001 .*--max-train-steps raises it"),
    ],
)
def test_single_sizes_are_refused(enas_service, build, settings, num_layers, said):
    assert re.search(said, refused_by_both(enas_service, build, build.enas(settings=settings, num_layers=num_layers)))


@pytest.mark.parametrize(
    ("settings", "num_layers", "num_operations", "flag"),
    [
        ({"controller_hidden_size": "1024"}, 8, 106, "--max-memory"),
        ({}, 100, 106, "--max-memory"),
        ({}, 8, 10_000, "--max-memory"),
        ({"controller_train_steps": "1000"}, 24, 106, "--max-call-time"),
    ],
)
def test_sizes_that_are_too_much_together_are_refused(enas_service, build, settings, num_layers, num_operations, flag):
    kinds = build.operation("convolution", build.parameter("p", api_pb2.INT, min="1", max=str(num_operations)))
    said = refused_by_both(enas_service, build, build.enas(kinds, settings=settings, num_layers=num_layers))
    assert said.startswith(f"nasConfig: '{num_layers} layers, {num_operations} operations")
    assert f"{flag} raises it" in said


def test_more_suggestions_than_a_call_has_time_for_are_refused(enas_service, build):
    kinds = build.operation("convolution", build.parameter("p", api_pb2.INT, min="1", max="10"))
    experiment = build.enas(kinds, num_layers=8)
    said = refusal(enas_service.stub.GetSuggestions, build.request(experiment, 1_000))
    assert re.search(r"current_request_number: 1000 .*\d+ suggestions .*--max-call-time raises it", said)
    experiment.spec.parallel_trial_count = 1_000
    assert refused_by_both(enas_service, build, experiment).startswith("parallelTrialCount: 1000 is not allowed")


def test_a_million_suggestions_are_refused(enas_service, darts_service, build):
    for service, experiment in ((enas_service, build.enas()), (darts_service, build.darts())):
        said = refusal(service.stub.GetSuggestions, build.request(experiment, 1_000_000))
        assert said.endswith("at most 1000 suggestions a request; --max-suggestions raises it")


def test_texts_that_no_shell_takes_as_an_argument_are_refused(enas_service, build):
    values = build.parameter("p", api_pb2.CATEGORICAL, list=["x" * 1_000])
    long = build.operation(
        "convolution", *(build.parameter(f"p{n}", api_pb2.CATEGORICAL, list=["x" * 900]) for n in range(9))
    )
    assert "nasConfig: '" in refused_by_both(enas_service, build, build.enas(long, num_layers=20))
    values.feasible_space.list[0] += "x"
    assert "up to 1000 characters" in refused_by_both(enas_service, build, build.enas(build.operation("c", values)))


def test_flags_raise_the_limits_and_lower_them(start_service, build):
    service = start_service(
        "darts_service", "--max-suggestions", "2000", "--max-operations", "5", "--max-message-size", "1"
    )
    service.wait_until_serving()
    reply = service.stub.GetSuggestions(build.request(build.darts(), 2_000), timeout=60)
    assert len(reply.parameter_assignments) == 2_000
    six = build.operation("max_pooling", build.parameter("p", api_pb2.INT, min="1", max="6"))
    assert "at most 5 operations" in refused_by_both(service, build, build.darts(six))
    assert code_of(service, request_of(build, 2**20)) == grpc.StatusCode.OK
    assert code_of(service, request_of(build, 2**20 + 1)) == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("algorithm", ["enas", "darts"])
def test_messages_up_to_64_mib_are_taken(enas_service, darts_service, build, algorithm):
    service = {"enas": enas_service, "darts": darts_service}[algorithm]
    experiment = getattr(build, algorithm)()
    assert code_of(service, request_of(build, 64 * 2**20, experiment)) == grpc.StatusCode.OK
    assert code_of(service, request_of(build, 64 * 2**20 + 1, experiment)) == grpc.StatusCode.RESOURCE_EXHAUSTED


@contextmanager
def peak_mib(process):
    """Yield a list, which holds in the end the most anonymous memory of a process meanwhile."""
    peak, is_over = [0.0], threading.Event()

    def watch():
        while not is_over.wait(0.002):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak[0] = max(peak[0], int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) / 1024)

    watching = threading.Thread(target=watch)
    watching.start()
    yield peak
    is_over.set()
    watching.join()


_MIB_IN_A_POD, _FIELDS_IN_A_POD = 20, 200_000
"""Of a request, for which a pod of ENAS with 400 MiB has room."""


def test_large_requests_leave_enas_within_its_memory(start_service, build, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")  # as in the image
    service = start_service("enas_service", "--seed", "1", cold=True)
    service.wait_until_serving()
    experiment = build.enas()
    service.stub.GetSuggestions(build.request(experiment, 3), timeout=60)
    num_bytes = _MIB_IN_A_POD * 2**20
    one_trial = request_of(build, num_bytes, experiment)
    # Three fields each, and as long together.
    count = _FIELDS_IN_A_POD // 3 - 100
    many_texts = build.request(experiment, 1)
    texts = many_texts.trials.add(name="t").spec.parameter_assignments.assignments
    for number in range(count):
        texts.add(name=f"{number:06d}", value="x" * (num_bytes // count - 20))
    with peak_mib(service.process) as peak:
        for request in (one_trial, many_texts) * 3:
            assert code_of(service, request) == grpc.StatusCode.OK
    assert DEFAULT.max_memory / 2 < peak[0] < DEFAULT.max_memory
    with peak_mib(service.process) as peak:
        too_large = request_of(build, DEFAULT.max_message_size * 2**20 + 1, experiment)
        assert code_of(service, too_large) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert peak[0] < DEFAULT.max_memory


def request_of(build, num_bytes, experiment=None):
    """A request that is so many bytes long."""
    request = build.request(experiment or build.darts(), 1)
    (trial,) = [request.trials.add(name="t")]
    for _ in range(2):
        trial.status.start_time += "x" * (num_bytes - request.ByteSize() - 20)
    trial.name += "x" * (num_bytes - request.ByteSize())
    assert request.ByteSize() == num_bytes
    return request


def code_of(service, request):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{service.port}", options=options) as channel:
        try:
            api_pb2_grpc.SuggestionStub(channel).GetSuggestions(request, timeout=60)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK


def test_compressed_requests_are_not_taken(darts_service, build):
    """Katib sends none, and what is a thousand times as large as it looks takes no turn."""
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{darts_service.port}", options=options) as channel:
        call = api_pb2_grpc.SuggestionStub(channel).GetSuggestions
        with pytest.raises(grpc.RpcError) as caught:
            call(request_of(build, 2**20), timeout=60, compression=grpc.Compression.Gzip)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("flags", [["--max-layers", "0"], ["--max-memory", "1e3"], ["--max-message-size", "2048"]])
def test_limits_that_are_none_are_refused_by_the_flags(flags):
    command = [sys.executable, "-m", "enas_service", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert f"{flags[1]!r} is not allowed: it must be an integer from 1 to" in ended.stderr


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x0a\x04\x0a\x02\xff\xfe", id="a name that is no UTF-8"),
        pytest.param(b"\x0a\xff\x01", id="cut off"),
        pytest.param(b"GET / HTTP/1.1", id="another protocol"),
        pytest.param(b"\x0a\x7f" * 1_000, id="nested beyond its end"),
    ],
)
@pytest.mark.parametrize("method", ["ValidateAlgorithmSettings", "GetSuggestions"])
def test_bytes_that_are_no_request_are_refused(darts_service, enas_service, method, request_bytes):
    for service in (darts_service, enas_service):
        said = refusal(service.channel.unary_unary(f"/api.v1.beta1.Suggestion/{method}"), request_bytes)
        assert said.startswith(f"request: these {len(request_bytes)} bytes are no {method}Request")


def test_a_message_of_parts_as_small_as_can_be_is_refused(darts_service):
    call = darts_service.channel.unary_unary("/api.v1.beta1.Suggestion/GetSuggestions")
    said = refusal(call, b"\x12\x00" * 500_001, within_s=30)
    assert re.search("at most 500000 fields in a request.*--max-fields raises it", said)
    assert call(b"\x12\x00" * 500_000, timeout=60) == b""
