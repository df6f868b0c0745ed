"""How long a server bears with a connection, and with how many calls: its options, of which a second is made 10 ms."""

import socket
import struct
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib_suggestion.experiment import Experiment, Trial
from katib_suggestion.serving import server
from katib_suggestion.serving.server import Server
from tests.http2 import PREFACE, RESET, SETTINGS, Connection

SUGGEST = "/api.v1.beta1.Suggestion/GetSuggestions"
LONG_S = 20
"""So long nothing comes from a server that has no such option, or that needs more than a hundredth of its time."""


class Ready:
    """A suggester."""

    def validate(self, experiment: Experiment) -> None:
        pass

    def suggest(self, experiment: Experiment, trials: list[Trial], count: int, total: int) -> list[dict[str, str]]:
        return [{"a": "1"}] * count


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Start a server, with some of its options a hundred times as fast; return its port."""
    started: list[Server] = []

    def run(*fast: str) -> int:
        options = [(name, value // 100 if name in fast else value) for name, value in server._PATIENCE]
        monkeypatch.setattr(server, "_PATIENCE", options)
        started.append(Server(Ready, port=0))
        started[-1].start()
        with grpc.insecure_channel(f"127.0.0.1:{started[-1].port}") as channel:
            watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            next(one for one in watching if one.status == health_pb2.HealthCheckResponse.SERVING)
            watching.cancel()
        return started[-1].port

    yield run
    for one in started:
        one.request_stop()
        assert one.run_until_stopped() == 0


KEEPALIVE = ("grpc.keepalive_time_ms", "grpc.http2.ping_timeout_ms")


def test_who_is_not_there_any_more_is_let_go_of(start: Callable[..., int]) -> None:
    """As after a loss of power: nothing says that the connection is over, and no ping is answered."""
    with Connection(start(*KEEPALIVE)) as connection:
        connection.call(SUGGEST)
        assert connection.is_closed(LONG_S)


def test_who_is_there_and_waits_is_not(start: Callable[..., int]) -> None:
    """A client of gRPC answers pings; its call goes on for many of them."""
    with grpc.insecure_channel(f"127.0.0.1:{start(*KEEPALIVE)}") as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        time.sleep(3)
        assert watching.is_active()
        watching.cancel()


def test_who_asks_for_nothing_is_sent_away(start: Callable[..., int]) -> None:
    with Connection(start("grpc.max_connection_idle_ms")) as connection:
        assert connection.is_closed(LONG_S, answers_pings=True)


@pytest.mark.parametrize("said", [b"", PREFACE[:9], PREFACE], ids=["nothing", "half a preface", "no settings"])
def test_who_does_not_say_what_it_wants_is_sent_away(start: Callable[..., int], said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", start("grpc.server_handshake_timeout_ms"))) as connection:
        connection.sendall(said)
        connection.settimeout(LONG_S)
        try:
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass


def test_a_connection_has_a_hundred_calls_at_once_and_is_refused_more(start: Callable[..., int]) -> None:
    with Connection(start()) as connection:
        streams = [connection.call(SUGGEST) for _ in range(101)]
        told: dict[int, int] = {}
        refused = None
        for kind, _, stream, payload in connection.frames(LONG_S):
            if kind == SETTINGS:
                told |= dict(struct.iter_unpack(">HI", payload))
            if kind == RESET:
                refused = stream
                break
    max_concurrent_streams = 3
    assert (told[max_concurrent_streams], refused) == (100, streams[-1])


def test_who_watches_health_is_not_given_up_for_a_crowd(start: Callable[..., int]) -> None:
    port = start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watching = stub.Watch(health_pb2.HealthCheckRequest())
        next(watching)
        crowd = Watchers(port)
        stub.Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)
        assert list(crowd.given_up(100 - 32)) == []
        assert watching.is_active()
        watching.cancel()
        crowd.vanish()


class Watchers:
    """As many as a connection may have."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port)
        for _ in range(100):
            stream = self._connection.call("/grpc.health.v1.Health/Watch")
            self._connection.send(stream, bytes(5), is_last=True)

    def given_up(self, how_many: int) -> Iterator[int]:
        """Wait until so many have been; yield those of which it is not said."""
        resets = (one for one in self._connection.frames(LONG_S) if one[0] == RESET)
        for number in range(how_many):
            if next(resets, None) is None:
                yield number

    def vanish(self) -> None:
        """End the connection, and with it all at once."""
        self._connection.close()
