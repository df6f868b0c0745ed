"""Calls to a real service that does what it is told, also what Katib would not take."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from katib_local.errors import Interrupted, SuggestionError
from katib_local.manifest import manifest as manifests
from katib_local.running import leftovers, suggestion_client
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_client import ExperimentRefused, SuggestionClient
from katib_local.running.suggestion_process import SuggestionProcess
from katib_suggestion.experiment import TrialCondition

Connect = Callable[..., SuggestionClient]


@pytest.fixture
def connect(service: str, write_manifest: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Connect:
    monkeypatch.setattr(suggestion_client, "_PAUSE_S", 0.05)

    def client(do: str = "", changes: dict[str, Any] | None = None) -> SuggestionClient:
        experiment, _ = manifests.load(write_manifest(changes, do=do))
        return SuggestionClient(experiment, service, None, Interruption())

    return client


def test_validation(connect: Connect) -> None:
    connect().validate()


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNKNOWN"])
def test_a_refusal_is_told_in_the_services_words(connect: Connect, code: str) -> None:
    with pytest.raises(ExperimentRefused, match="the service\nsays no"):
        connect(f"validate:{code}").validate()


@pytest.mark.parametrize("code", ["UNIMPLEMENTED", "INTERNAL", "NOT_FOUND"])
def test_katib_takes_every_other_code_for_a_yes(connect: Connect, code: str) -> None:
    connect(f"validate:{code}").validate()


def test_a_service_that_stays_away_is_given_up(connect: Connect) -> None:
    with pytest.raises(SuggestionError, match=r"ValidateAlgorithmSettings failed 5 times.*UNAVAILABLE"):
        connect("validate:UNAVAILABLE").validate()


def test_suggestions(connect: Connect, tmp_path: Path) -> None:
    client = connect()
    first, settings = client.suggest([], 2, {})
    second, _ = client.suggest(first, 1, settings)
    name = first[0].name.removesuffix("-0001")
    assert [trial.name for trial in (*first, *second)] == [f"{name}-000{number}" for number in (1, 2, 3)]
    assert [trial.number for trial in (*first, *second)] == [1, 2, 3]
    assert [dict(trial.assignments) for trial in second] == [{"value": "v3"}]
    assert {trial.condition for trial in first} == {TrialCondition.CREATED}
    assert settings == {}
    requests = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [(item["currentRequestNumber"], item["totalRequestNumber"]) for item in requests] == [(2, 2), (1, 3)]


def test_settings_of_a_reply_go_into_later_requests(connect: Connect, tmp_path: Path) -> None:
    client = connect("settings")
    trials, settings = client.suggest([], 1, {})
    assert settings == {"rung": "1"}
    client.suggest(trials, 1, settings)
    request = json.loads((tmp_path / "requests.jsonl").read_text().splitlines()[1])
    assert request["experiment"]["spec"]["algorithm"]["algorithmSettings"][-1] == {"name": "rung", "value": "1"}


def test_names_and_labels_of_a_reply_are_kept(connect: Connect) -> None:
    trials, _ = connect("names").suggest([], 2, {})
    assert [(trial.name, dict(trial.labels)) for trial in trials] == [
        ("mine-1", {"parent": "none"}),
        ("mine-2", {"parent": "none"}),
    ]


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ("too few", "suggested 1 trial where 2 were asked for"),
        ("too many", "suggested 3 trials where 2 were asked for"),
        ("extra", "assigned more, value, but the references .* are value"),
        ("missing", "assigned nothing, but the references .* are value"),
        ("other", "assigned valeu, but the references .* are value"),
        ("twice", "assigned value twice"),
        ("same name", "named a trial 'mine': it must be a new name"),
        ("bad name", "named a trial '../mine'"),
        ("suggest:INTERNAL", "GetSuggestions failed with INTERNAL: not now"),
        ("suggest:INVALID_ARGUMENT", "GetSuggestions failed with INVALID_ARGUMENT: not now"),
    ],
)
def test_what_katib_would_not_take_is_an_error(connect: Connect, do: str, message: str) -> None:
    with pytest.raises(SuggestionError, match=message):
        connect(do).suggest([], 2, {})


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_a_service_that_is_away_for_a_moment_is_asked_again(connect: Connect, code: str) -> None:
    trials, _ = connect(f"suggest:{code}").suggest([], 1, {})
    assert len(trials) == 1


def test_the_deadline_holds(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion_client, "CALL_TIMEOUT_S", 0.1)
    with pytest.raises(SuggestionError, match="DEADLINE_EXCEEDED"):
        connect("hang").suggest([], 1, {})


def test_a_signal_ends_a_call(service: str, write_manifest: Callable[..., Path]) -> None:
    experiment, _ = manifests.load(write_manifest(do="hang"))
    with Interruption() as interruption:
        client = SuggestionClient(experiment, service, None, interruption)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        with pytest.raises(Interrupted):
            client.suggest([], 1, {})
        assert time.monotonic() - start < 5


def test_a_service_of_ours_that_died_is_started_again_before_each_answer(
    manifest: Callable[..., Any], tmp_path: Path
) -> None:
    space = {"list": ["3"]}
    changes = {
        "spec.algorithm.algorithmName": "darts",
        "spec.nasConfig.operations": [
            {
                "operationType": "max_pooling",
                "parameters": [{"name": "filter_size", "parameterType": "categorical", "feasibleSpace": space}],
            }
        ],
    }
    experiment = manifests.parse(manifest(changes))
    log = tmp_path / "service.log"

    def kill() -> None:
        (number,) = leftovers.find(log)
        os.kill(number, signal.SIGKILL)
        os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)

    with SuggestionProcess("darts_service", [], log, Interruption()) as process:
        client = SuggestionClient(experiment, process.address, process, Interruption())
        for _ in range(2):
            kill()
            client.validate()


def test_a_service_of_ours_that_dies_of_a_call_is_given_up(
    manifest: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # It serves, and ends at the first call that is no health check.
    Path("mortal.py").write_text(
        "import os, sys\n"
        "from katib_suggestion.serving.servicer import Servicer\n"
        "Servicer.ValidateAlgorithmSettings = lambda *_: os._exit(1)\n"
        "from darts_service.__main__ import main\n"
        "sys.exit(main())\n"
    )
    with SuggestionProcess("mortal", [], tmp_path / "service.log", Interruption()) as process:
        client = SuggestionClient(manifests.parse(manifest()), process.address, process, Interruption())
        with pytest.raises(SuggestionError, match="ended twice without an answer"):
            client.validate()
