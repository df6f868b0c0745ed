"""The service goes on with a search whose state 0.1.0 wrote."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from katib_suggestion.wire import api_pb2


@pytest.fixture(scope="module")
def state(copied: Callable[[str], Path]) -> Path:
    return copied("enas-service/state")


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any], state: Path) -> Any:
    started = start_service("enas_service", "--state-dir", str(state))
    started.wait_until_serving()
    return started


@pytest.fixture(scope="module")
def ask(service: Any, kept: Path) -> Callable[[str], Any]:
    """Send a request that stands in a file."""

    def send(name: str) -> Any:
        request = json_format.Parse((kept / "enas-service" / name).read_text(), api_pb2.GetSuggestionsRequest())
        return json_format.MessageToDict(service.stub.GetSuggestions(request, timeout=60))

    return send


def rows(state: Path) -> list[dict[str, str]]:
    (file,) = state.glob("*/history.csv")
    with file.open() as stream:
        return list(csv.DictReader(stream))


def architectures(message: dict[str, Any]) -> list[str]:
    return [
        item["value"]
        for one in message["parameterAssignments"]
        for item in one["assignments"]
        if item["name"] == "architecture"
    ]


def test_a_request_that_was_answered_gets_the_same_answer(ask: Callable[[str], Any], kept: Path) -> None:
    assert ask("last-request.json") == json.loads((kept / "enas-service/last-reply.json").read_text())


def test_the_log_says_whose_state_it_was(ask: Callable[[str], Any], service: Any) -> None:
    ask("last-request.json")
    assert "its state is of 0.1.0: the model learns anew from its 8 trials" in service.log.read_text()


def test_the_next_request_goes_on(ask: Callable[[str], Any], state: Path, kept: Path) -> None:
    before = rows(kept / "enas-service/state")
    assert [row["num_trials"] for row in before] == ["2", "4", "6", "8"]

    found = architectures(ask("next-request.json"))

    trials = json.loads((kept / "enas-service/next-request.json").read_text())["trials"]
    proposed = [item["value"] for trial in trials for item in trial["spec"]["parameterAssignments"]["assignments"]]
    assert len({*found} - {*proposed}) == 2
    # It has learned from the two trials that are new, and begun with what it had learned before.
    after = rows(state)
    deadline_s = time.monotonic() + 30
    while len(after) == len(before) and time.monotonic() < deadline_s:
        time.sleep(0.05)
        after = rows(state)
    assert after[:-1] == before
    assert after[-1]["num_trials"] == "10"
