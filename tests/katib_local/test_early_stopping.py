"""Trials that are stopped early, from the manifest to what is left."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from katib_local.commands import cli
from katib_local.running import leftovers, trial_process

Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., Path]
Program = Callable[[str], Path]

REASON = "its score was still less than 0.5 after 2 values"

GOOD_THEN_BAD = "[ $1 = v1 ] && { echo score=0.4; echo score=0.6; exit; }; echo score=0.1; echo score=0.2"
"""The first trial is the others' measure; they do worse, and would run on."""


def stopping(**changes: Any) -> dict[str, Any]:
    settings = [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "2"}]
    return {
        "spec.earlyStopping": {"algorithmName": "medianstop", "algorithmSettings": settings},
        "spec.maxTrialCount": 3,
        **changes,
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def trials(out: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(out / "experiment.db")) as connection:
        return connection.execute("SELECT condition, reason, observation FROM trials ORDER BY number").fetchall()


def requests(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]


def test_trials_that_do_badly_are_stopped_with_what_they_came_to(
    run: Run, write_manifest: Write, program: Program, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(f"{GOOD_THEN_BAD}; sleep 60")
    code, printed, progress = run("run", write_manifest(stopping()), "--output-dir", str(out))
    assert code == 0, progress
    stopped = ("early stopped", REASON, '{"score": "0.2"}')
    assert trials(out) == [("succeeded", "", '{"score": "0.6"}'), stopped, stopped]
    assert "all trials are completed (3 trials: 1 succeeded, 2 early stopped)" in printed
    assert f"early stopped after 0.{progress.split('early stopped after 0.')[1][0]} s: {REASON}: score=0.2" in progress
    third = requests(tmp_path)[2]
    assert third["experiment"]["spec"]["earlyStopping"]["algorithmName"] == "medianstop"
    sent = {trial["name"][-1]: trial["status"] for trial in third["trials"]}
    assert sent["2"]["condition"] == "EARLYSTOPPED"
    assert sent["2"]["observation"]["metrics"] == [{"name": "score", "value": "0.2"}]
    assert "early stopped" in (out / "report.html").read_text()
    assert cli.main(["show", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["trials"]
    assert [item["condition"] for item in shown] == ["succeeded", "early stopped", "early stopped"]
    assert shown[1]["metrics"] == {"score": "0.2"}


def test_a_trial_may_come_to_a_good_end(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    program(
        f"{GOOD_THEN_BAD}; trap 'sleep 0.3; touch ../artifacts/saved; echo score=0.3; exit 0' TERM; "
        "while true; do sleep 0.05; done"
    )
    # The shell that Katib would start waits for the program: it is not the one that has to end well.
    command = ["sh", "-c", 'true; sh program.sh "${trialParameters.theValue}"; exit $?']
    changes = {"spec.trialTemplate.trialSpec.spec.template.spec.containers.0.command": command}
    code, _, progress = run("run", write_manifest(stopping(**changes)), "--output-dir", str(out))
    assert code == 0, progress
    assert [row[0] for row in trials(out)] == ["succeeded", "early stopped", "early stopped"]
    assert trials(out)[1][2] == '{"score": "0.3"}'
    assert len(list(out.glob("trials/*/artifacts/saved"))) == 2


def test_a_trial_that_does_not_end_is_killed(
    run: Run, write_manifest: Write, program: Program, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_process, "EARLY_STOP_TIMEOUT_S", 0.2)
    program(f"trap '' TERM; {GOOD_THEN_BAD}; while true; do sleep 1; done")
    code, _, progress = run("run", write_manifest(stopping()), "--output-dir", str(out))
    assert code == 0, progress
    assert [row[0] for row in trials(out)] == ["succeeded", "early stopped", "early stopped"]
    assert leftovers.find(out) == []


def test_a_value_that_is_no_number_fails_a_trial_that_is_compared(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program("[ $1 = v1 ] && { echo score=0.4; exit; }; echo score=nan; sleep 60")
    code, _, _ = run("run", write_manifest(stopping()), "--output-dir", str(out))
    assert code == 1
    said = "it reported '' as score: with early stopping it must be a number"
    assert trials(out) == [("succeeded", "", '{"score": "0.4"}')] + [("failed", said, '{"score": ""}')] * 2


def test_a_trial_that_has_ended_before_is_not_stopped(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program("echo score=0.$((5 - ${1#v})); echo score=0.1")
    code, _, progress = run("run", write_manifest(stopping()), "--output-dir", str(out))
    assert code == 0, progress
    assert {row[0] for row in trials(out)} <= {"succeeded", "early stopped"}
    assert trials(out)[0][0] == "succeeded"


KILLED_AS_IT_STOPS = """
import os, signal, sys
from katib_local.commands.cli import main
from katib_local.running import trial_process

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

trial_process.TrialProcess.terminate = die
sys.exit(main(sys.argv[1:]))
"""


def test_a_runner_that_is_killed_while_it_stops_a_trial_forgets_nothing(
    run: Run, service: str, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program(f'echo "$1" >> {tmp_path}/ran; {GOOD_THEN_BAD}; sleep 60')
    path = write_manifest(stopping())
    flags = ["--suggestion", service, "--image", f"tests/program={tmp_path}/program", "--output-dir", str(out)]
    subprocess.run([sys.executable, "-c", KILLED_AS_IT_STOPS, "run", str(path), *flags], timeout=60, check=False)
    assert [row[0] for row in trials(out)] == ["succeeded", "running"]
    code, printed, errors = run("run", path, "--output-dir", str(out), "--resume")
    assert code == 0, errors
    assert "(3 trials: 1 succeeded, 2 early stopped)" in printed
    assert trials(out)[1] == ("early stopped", REASON, '{"score": "0.2"}')
    assert (tmp_path / "ran").read_text() == "v1\nv2\nv3\n"


def test_a_trial_that_was_interrupted_keeps_its_rules(
    run: Run, service: str, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    program(
        f"[ $1 != v2 ] || [ -e {tmp_path}/again ] || {{ touch {tmp_path}/again; kill -TERM $(cat {tmp_path}/runner); "
        f"sleep 60; }}; {GOOD_THEN_BAD}; sleep 60"
    )
    path = write_manifest(stopping())
    flags = ["--suggestion", service, "--image", f"tests/program={tmp_path}/program", "--output-dir", str(out)]
    command = [str(Path(sys.executable).with_name("katib-nas")), "run", str(path), *flags]
    runner = f'echo $$ > {tmp_path}/runner; exec "$@"'
    interrupted = subprocess.run(["sh", "-c", runner, "sh", *command], capture_output=True, timeout=60, check=False)
    assert interrupted.returncode == 130
    assert [row[0] for row in trials(out)] == ["succeeded", "created"]
    code, _, errors = run("run", path, "--output-dir", str(out), "--resume")
    assert code == 0, errors
    assert [row[0] for row in trials(out)] == ["succeeded", "early stopped", "early stopped"]
