"""Callers that a server knows to wait, or to have gone."""

import math
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from katib_suggestion.experiment import Experiment, Trial
from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import PATIENT, Caller, Unavailable
from katib_suggestion.serving.server import Server
from katib_suggestion.wire import api_pb2, api_pb2_grpc


class OneAtATime:
    """A suggester with a lock, which it does not get unless it is let."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: list[float] = []
        self.computed = 0
        self.given_up = threading.Semaphore(0)

    def validate(self, experiment: Experiment) -> None:
        raise Unavailable("not now")

    def suggest(self, experiment: Experiment, trials: list[Trial], count: int, total: int) -> list[dict[str, str]]:
        self.asked.append(caller.current().remaining_s())
        try:
            with caller.current().holding(self.lock):
                self.computed += 1
        except Unavailable:
            self.given_up.release()
            raise
        return [{"a": "1"}] * count


@pytest.fixture
def suggester() -> OneAtATime:
    return OneAtATime()


@pytest.fixture
def stub(suggester: OneAtATime) -> Iterator[api_pb2_grpc.SuggestionStub]:
    server = Server(lambda: suggester, port=0)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = api_pb2_grpc.SuggestionStub(channel)
        deadline = time.monotonic() + 30
        while stub.GetSuggestions.future(api_pb2.GetSuggestionsRequest(), timeout=30).code() is not grpc.StatusCode.OK:
            assert time.monotonic() < deadline
        yield stub
    server.request_stop()
    assert server.run_until_stopped() == 0


REQUEST = api_pb2.GetSuggestionsRequest(current_request_number=1)


def test_a_call_knows_how_long_its_caller_waits(stub: api_pb2_grpc.SuggestionStub, suggester: OneAtATime) -> None:
    stub.GetSuggestions(REQUEST, timeout=60)
    stub.GetSuggestions(REQUEST)
    assert 50 < suggester.asked[0] < 61  # gRPC rounds
    assert suggester.asked[1] > 1e6
    assert PATIENT.remaining_s() == math.inf


def test_a_call_whose_caller_has_gone_is_not_computed(stub: api_pb2_grpc.SuggestionStub, suggester: OneAtATime) -> None:
    with suggester.lock:
        calls = [stub.GetSuggestions.future(REQUEST, timeout=60) for _ in range(5)]
        while len(suggester.asked) < 5:
            time.sleep(0.01)
        for call in calls:
            call.cancel()
        for _ in calls:
            assert suggester.given_up.acquire(timeout=20)
    assert suggester.computed == 0


def test_a_call_that_waits_too_long_is_unavailable_before_its_deadline(
    stub: api_pb2_grpc.SuggestionStub, suggester: OneAtATime
) -> None:
    with suggester.lock, pytest.raises(grpc.RpcError) as caught:
        stub.GetSuggestions(REQUEST, timeout=2)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "are left of the call; call again" in caught.value.details()


def test_a_validation_can_be_unavailable_too(stub: api_pb2_grpc.SuggestionStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ValidateAlgorithmSettings(api_pb2.ValidateAlgorithmSettingsRequest(), timeout=30)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "not now")


def test_what_takes_longer_than_the_caller_waits_is_not_begun() -> None:
    Caller(remaining_s=lambda: 5).check(4)
    with pytest.raises(Unavailable, match=r"longer than the 5\.0 s"):
        Caller(remaining_s=lambda: 5).check(6)
    with pytest.raises(Unavailable, match="gone"):
        Caller(remaining_s=lambda: 0).check()
