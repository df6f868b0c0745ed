"""Clients that are slow, vanish, flood, or read nothing; and a service that is stopped for a while."""

import signal
import struct
import time
from contextlib import ExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2

from katib_suggestion.serving.servicer import MAX_CALLS
from tests.contract.test_limits import code_of, peak_mib, request_of
from tests.http2 import CONTINUATION, DATA, HEADERS, PING, SETTINGS, WINDOW_UPDATE, Connection, frame, message

SUGGEST, CHECK = "/api.v1.beta1.Suggestion/GetSuggestions", "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture(scope="module")
def service(start_service):
    service = start_service("darts_service")
    service.wait_until_serving()
    return service


def memory_mib(service):
    with peak_mib(service.process) as peak:
        time.sleep(0.1)
    return peak[0]


@pytest.fixture
def is_well(service, build):
    """Have a service answer everybody else: a suggestion, to who calls again as Katib does, and for health."""

    def check():
        # Sooner than the service lets go of who answers no pings.
        request, deadline_s = build.request(build.darts(), 2), time.monotonic() + 40
        # Calls that the server took in behind this one may have their turns before it.
        while (code := code_of(service, request)) is grpc.StatusCode.UNAVAILABLE and time.monotonic() < deadline_s:
            pass
        assert code is grpc.StatusCode.OK
        assert service.health() == health_pb2.HealthCheckResponse.SERVING

    return check


def test_bodies_that_come_a_byte_at_a_time_leave_others_their_turn(service, is_well, build):
    body = message(build.request(build.darts(), 1).SerializeToString())
    with ExitStack() as stack:
        slow = [stack.enter_context(Connection(service.port)) for _ in range(MAX_CALLS + 10)]
        streams = [connection.call(SUGGEST, timeout="10M") for connection in slow]
        for part in range(2):
            for connection, stream in zip(slow, streams, strict=True):
                connection.send(stream, body[part : part + 1])
            is_well()
    is_well()


def test_of_calls_by_the_thousand_none_is_dropped(service, is_well):
    """CANCELLED, with which gRPC drops some, is "valid" to Katib."""
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(50):
                connection = stack.enter_context(Connection(service.port))
                for _ in range(100):
                    connection.call("/of/nothing")
            is_well()


@pytest.mark.parametrize("method", [CHECK, WATCH, REFLECT])
def test_other_calls_that_never_come_whole_leave_health_its_threads(service, is_well, method):
    with ExitStack() as stack:
        for _ in range(MAX_CALLS + 50):
            connection = stack.enter_context(Connection(service.port))
            connection.send(connection.call(method), b"\0")
        is_well()
    is_well()


def test_watchers_of_health_that_vanish_together_take_nothing(service, is_well):
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(8):
                connection = stack.enter_context(Connection(service.port))
                for _ in range(100):
                    connection.send(connection.call(WATCH), message(b""), is_last=True)
        is_well()


def test_connections_that_say_nothing_or_vanish_in_a_message_take_nothing(service, is_well):
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(Connection(service.port))
        for _ in range(200):
            with Connection(service.port) as connection:
                connection.send(connection.call(SUGGEST), b"\0\0\0\0\7ab")
        is_well()
    is_well()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(frame(SETTINGS, 0, 0, b""), id="settings"),
        pytest.param(frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 4096) * 100), id="settings of many"),
        pytest.param(frame(PING, 0, 0, bytes(8)), id="pings"),
        pytest.param(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), id="windows"),
        pytest.param(frame(DATA, 0, 1, b""), id="nothing of a body"),
        pytest.param(frame(HEADERS, 0, 3, b"") + frame(CONTINUATION, 0, 3, b"") * 1_000, id="nothing of headers"),
        pytest.param(
            frame(HEADERS, 0, 3, b"\0\1a\1b") + frame(CONTINUATION, 0, 3, b"\0\4abcd\4efgh" * 1_000) * 9, id="headers"
        ),
        pytest.param(frame(0x42, 0, 0, bytes(100)), id="frames of no kind"),
    ],
)
def test_frames_without_end_and_nobody_to_read_the_answers_take_nothing(service, is_well, flood):
    def send():
        with Connection(service.port) as connection:
            connection.socket.settimeout(1)
            connection.call(SUGGEST)
            try:
                for _ in range(20):
                    connection.socket.sendall(flood * (1 + 200_000 // len(flood)))
            except OSError:
                pass  # the service has had enough of it, or takes no more before its answers are read
            is_well()

    send()
    before = memory_mib(service)
    for _ in range(3):
        send()
    assert memory_mib(service) < before + 30


def test_calls_that_are_given_up_at_once_by_the_thousand_leave_no_memory_behind(service, is_well):
    """The form of CVE-2023-44487."""

    def flood():
        with Connection(service.port) as connection:
            try:
                for _ in range(5_000):
                    connection.reset(connection.call(SUGGEST))
                    connection.call(SUGGEST)
            except OSError:
                pass  # the service has had enough of it
        is_well()

    flood()
    before = memory_mib(service)
    for _ in range(3):
        flood()
    assert memory_mib(service) < before + 30


def test_who_pings_without_end_is_shown_the_door(service, is_well):
    with Connection(service.port) as connection:
        try:
            for _ in range(20_000):
                connection.ping()
        except OSError:
            pass
        is_well()
        assert connection.is_closed(30)


def test_who_reads_no_replies_keeps_nobody_from_theirs(service, is_well, build):
    body = message(build.request(build.darts(), 1).SerializeToString())
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(Connection(service.port, window=0))
            for _ in range(MAX_CALLS // 4):
                connection.send(connection.call(SUGGEST), body, is_last=True)
        is_well()


def test_forty_requests_of_20_mib_at_once_leave_enas_within_its_memory(start_service, build, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")  # as in the image
    service = start_service("enas_service", "--seed", "1", cold=True)
    service.wait_until_serving()
    experiment = build.enas()
    service.stub.GetSuggestions(build.request(experiment, 3), timeout=60)
    request = request_of(build, 20 * 2**20, experiment)
    body, options = request.SerializeToString(), [("grpc.max_send_message_length", -1)]
    with ExitStack() as stack, peak_mib(service.process) as peak:
        calls = []
        for number in range(40):
            # Each over a connection of its own.
            channel = grpc.insecure_channel(f"127.0.0.1:{service.port}", [*options, ("number", number)])
            calls.append(stack.enter_context(channel).unary_unary(SUGGEST).future(body, timeout=60))
        codes = {call.code() for call in calls}
    assert grpc.StatusCode.OK in codes
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert peak[0] < 400
    assert code_of(service, request) == grpc.StatusCode.OK


@pytest.mark.parametrize(
    "seconds", [2, pytest.param(60, marks=pytest.mark.long("a machine that is suspended sleeps for a minute and more"))]
)
def test_a_service_that_was_stopped_goes_on_where_it_was(start_service, enas_service, build, tmp_path, seconds):
    """Its callers have gone meanwhile, and have asked again."""
    # As undisturbed as that of other tests, which has the same seed.
    service = start_service("enas_service", "--seed", "7", "--state-dir", str(tmp_path / "state"))
    service.wait_until_serving()
    experiment, trials = build.enas(name=f"stopped-for-{seconds}", num_layers=3), []

    def ask(service, **options):
        return service.stub.GetSuggestions(build.request(experiment, 2, trials), **options)

    for number in range(4):
        expected = build.assignments(ask(enas_service, timeout=60))
        service.process.send_signal(signal.SIGSTOP)
        calls = [service.stub.GetSuggestions.future(build.request(experiment, 2, trials), timeout=1) for _ in range(3)]
        time.sleep(seconds if number == 2 else 1.1)
        assert {call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        service.process.send_signal(signal.SIGCONT)
        assert build.assignments(ask(service, timeout=60)) == expected
        for one in expected:
            trials.append(build.trial(f"t{len(trials)}", one, {"Validation-Accuracy": str(len(trials) / 10)}))
    said = service.log.read_text()
    assert "starting afresh" not in said
    assert said.count(" 2 proposals") == 4
