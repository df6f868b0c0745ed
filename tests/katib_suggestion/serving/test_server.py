"""The server as a process: port, health, reflection, signals."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from katib_suggestion.experiment import Experiment, Trial
from katib_suggestion.serving.server import Server
from katib_suggestion.serving.servicer import MAX_CALLS
from katib_suggestion.wire import api_pb2

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Slow:
    """A suggester that answers when it is told to."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.answer = threading.Event()

    def validate(self, experiment: Experiment) -> None:
        raise KeyError("a mistake of ours")

    def suggest(self, experiment: Experiment, trials: list[Trial], count: int, total: int) -> list[dict[str, str]]:
        self.called.set()
        assert self.answer.wait(30)
        return [{"a": "1"}] * count


@pytest.fixture
def slow() -> Slow:
    return Slow()


def connect(server: Server, number: int = 0) -> grpc.Channel:
    """Connect; channels of another number have another connection."""
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("number", number)])


def call(channel: grpc.Channel, method: str, request: object, reply: type) -> object:
    rpc = channel.unary_unary(
        f"/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reply.FromString,
    )
    return rpc(request, timeout=30)


def health(channel: grpc.Channel, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    return call(channel, "grpc.health.v1.Health/Check", request, health_pb2.HealthCheckResponse).status


def suggest(channel: grpc.Channel, count: int) -> api_pb2.GetSuggestionsReply:
    request = api_pb2.GetSuggestionsRequest(current_request_number=count)
    reply = call(channel, "api.v1.beta1.Suggestion/GetSuggestions", request, api_pb2.GetSuggestionsReply)
    assert isinstance(reply, api_pb2.GetSuggestionsReply)
    return reply


def test_the_port_answers_before_the_suggester_is_there() -> None:
    may_load = threading.Event()

    def load() -> Slow:
        assert may_load.wait(30)
        return Slow()

    server = Server(load, port=0)
    server.start()
    with connect(server) as channel:
        for name in ("manager.v1beta1.Suggestion", ""):
            assert health(channel, name) == NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            suggest(channel, 1)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        may_load.set()
        deadline = time.monotonic() + 10
        while health(channel, "manager.v1beta1.Suggestion") != SERVING:
            assert time.monotonic() < deadline
        assert health(channel, "") == SERVING
    server.request_stop()
    assert server.run_until_stopped() == 0


def test_a_running_call_finishes_and_new_ones_are_turned_away(slow: Slow) -> None:
    server = Server(lambda: slow, port=0)
    server.start()
    with connect(server) as channel, futures.ThreadPoolExecutor() as pool:
        running = pool.submit(suggest, channel, 2)
        assert slow.called.wait(10)
        ended = pool.submit(server.run_until_stopped)
        server.request_stop()
        deadline = time.monotonic() + 10
        while health(channel, "manager.v1beta1.Suggestion") != NOT_SERVING:
            assert time.monotonic() < deadline
        with pytest.raises(grpc.RpcError) as caught:
            suggest(channel, 1)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        # Longer than the second that grpc itself leaves it.
        assert not futures.wait([running], timeout=1.5).done
        slow.answer.set()
        assert len(running.result(10).parameter_assignments) == 2
        assert ended.result(10) == 0


def test_however_many_calls_wait_health_answers_and_those_beyond_are_turned_away(slow: Slow) -> None:
    server = Server(lambda: slow, port=0)
    server.start()
    with (
        connect(server) as channel,
        connect(server, 1) as other,
        futures.ThreadPoolExecutor(MAX_CALLS + 20) as pool,
    ):
        while health(channel, "manager.v1beta1.Suggestion") != SERVING:
            time.sleep(0.01)
        calls = [pool.submit(suggest, (channel, other)[number % 2], 1) for number in range(MAX_CALLS + 20)]
        turned_away = futures.as_completed(calls, timeout=30)
        for _ in range(20):
            error = next(turned_away).exception()
            assert isinstance(error, grpc.RpcError)
            assert (error.code(), error.details()) == (
                grpc.StatusCode.UNAVAILABLE, f"{MAX_CALLS} calls are running; call again"
            )  # fmt: skip
        assert sum(not one.done() for one in calls) == MAX_CALLS
        assert health(channel, "manager.v1beta1.Suggestion") == SERVING
        slow.answer.set()
        assert sum(one.exception() is None for one in calls) == MAX_CALLS
    server.request_stop()
    assert server.run_until_stopped() == 0


def test_a_mistake_of_ours_is_unknown_to_validate_and_internal_to_suggest(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Slow):
        def suggest(self, experiment: Experiment, trials: list[Trial], count: int, total: int) -> list[dict[str, str]]:
            return []

    server = Server(Broken, port=0)
    server.start()
    with connect(server) as channel:
        request = api_pb2.ValidateAlgorithmSettingsRequest()
        with pytest.raises(grpc.RpcError) as refused:
            call(
                channel,
                "api.v1.beta1.Suggestion/ValidateAlgorithmSettings",
                request,
                api_pb2.ValidateAlgorithmSettingsReply,
            )
        with pytest.raises(grpc.RpcError) as failed:
            suggest(channel, 3)
    assert refused.value.code() == grpc.StatusCode.UNKNOWN
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    for error in (refused.value, failed.value):
        assert "Traceback" not in error.details()
        assert len(error.details()) < 200
    assert "a mistake of ours" in caplog.text
    server.request_stop()
    assert server.run_until_stopped() == 0


def test_a_suggester_that_cannot_be_made_ends_the_process() -> None:
    def load() -> Slow:
        raise OSError("no such library")

    server = Server(load, port=0)
    server.start()
    assert server.run_until_stopped() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_with_0(start_service: Callable[..., object], number: int) -> None:
    service = start_service("darts_service")
    service.wait_until_serving()
    service.process.send_signal(number)
    assert service.process.wait(10) == 0


def test_a_port_that_is_taken_is_one_line_and_its_own_exit_code(darts_service: object, tmp_path: Path) -> None:
    taken = str(darts_service.port)
    ended = subprocess.run(
        [sys.executable, "-m", "darts_service", "--port", taken],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 69
    assert f"port {taken} cannot be listened on" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("flags", [["--port", "70000"], ["--port", "x"], ["--log-level", "loud"], ["--colour"]])
def test_bad_flags_are_refused(flags: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "darts_service", *flags], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_reflection_describes_the_service(darts_service: object) -> None:
    database = ProtoReflectionDescriptorDatabase(darts_service.channel)
    assert set(database.get_services()) == {
        "api.v1.beta1.Suggestion",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = database.FindFileContainingSymbol("api.v1.beta1.Suggestion")
    assert "GetSuggestions" in [method.name for service in file.service for method in service.method]
