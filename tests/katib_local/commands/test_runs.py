"""The runs that are kept, listed and shown."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from katib_local.commands import cli
from katib_local.record import run_folder
from katib_local.record.run_folder import RunFolder

Run = Callable[..., tuple[int, str, str]]
Call = Callable[..., tuple[int, str, str]]

SCRIPT = '[ $1 != v2 ] || exit 3; echo "score=0.${1#v}"'
"""The first trial scores 0.1, the second fails, the third scores 0.3."""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def name(call: Call, run: Run, write_manifest: Callable[..., Path], program: Callable[[str], Path]) -> str:
    """Keep a run of three trials, and return the experiment's name."""
    program(SCRIPT)
    path = write_manifest({"spec.maxTrialCount": 3, "spec.objective.goal": 0.9})
    assert run("run", path)[0] == 0
    name: str = yaml.safe_load(path.read_text())["metadata"]["name"]
    return name


def test_nothing_is_kept(call: Call, tmp_path: Path) -> None:
    assert call("list") == (0, f"no run below {tmp_path}/runs\n", "")
    assert call("list", "--json") == (0, "[]\n", "")
    assert call("show")[0] == 2
    code, _, errors = call("list", "--runs-dir", "elsewhere")
    assert (code, errors) == (2, "katib-nas: --runs-dir: elsewhere is no folder\n")


def test_the_newest_is_first(
    name: str, call: Call, run: Run, write_manifest: Callable[..., Path], tmp_path: Path
) -> None:
    # Failing at once.
    assert run("run", write_manifest({"spec.maxFailedTrialCount": 1, "spec.maxTrialCount": 9}))[0] == 1
    code, printed, errors = call("list")
    assert (code, errors) == (0, "")
    heading, _, newest, oldest = printed.splitlines()
    assert heading.split() == ["name", "started", "state", "trials", "failed", "best", "folder"]
    assert newest.split()[0] == name
    assert newest.split()[3:7] == ["failed", "2", "1", "0.1"]
    assert oldest.split()[3:7] == ["completed", "3", "1", "0.3"]
    folders = [line.split()[-1] for line in (newest, oldest)]
    assert {*folders} == {path.name for path in (tmp_path / "runs").iterdir()}
    first, second = json.loads(call("list", "--json")[1])
    assert (first["state"], second["state"]) == ("failed", "completed")
    assert second | {"started": ""} == {
        "name": name,
        "started": "",
        "state": "completed",
        "num_trials": 3,
        "num_failed": 1,
        "metric": "score",
        "best_value": "0.3",
        "best_trial": f"{name}-0003",
        "folder": str(tmp_path / "runs" / folders[1]),
    }


def test_a_run_is_shown(name: str, call: Call, tmp_path: Path) -> None:
    (folder,) = (tmp_path / "runs").iterdir()
    code, printed, _ = call("show")
    assert code == 0
    lines = printed.splitlines()
    assert lines[0] == f"{name}: all trials are completed (3 trials: 2 succeeded, 1 failed)"
    assert "- objective: maximize score, goal 0.9" in lines
    assert "- algorithm: scripted" in lines
    assert f"- files: runs/{folder.name}" in lines
    assert any(line.startswith("- command: katib-nas run manifest.yaml --suggestion 127.0.0.1:") for line in lines)
    assert "to go on" not in printed
    assert f"Best trial: {name}-0003\n\n- score: 0.3\n" in printed
    heading, _, *trials = lines[-5:]
    assert heading.split() == ["trial", "condition", "time", "score", "reason"]
    assert [line.split()[:2] for line in trials] == [
        [f"{name}-0001", "succeeded"], [f"{name}-0002", "failed"], [f"{name}-0003", "succeeded"],
    ]  # fmt: skip
    assert trials[1].endswith("exit code 3")
    # By its name below runs/, its path, or below another folder.
    for arguments in ([folder.name], [str(folder)], [folder.name, "--runs-dir", str(tmp_path / "runs")]):
        assert call("show", *arguments) == (0, printed, "")


def test_a_run_as_json(name: str, call: Call) -> None:
    shown = json.loads(call("show", "--json")[1])
    assert shown["best_trial"] == f"{name}-0003"
    assert shown["algorithm"] == "scripted"
    assert shown["settings"].keys() == {"do", "record"}
    assert (shown["direction"], shown["goal"]) == ("maximize", 0.9)
    assert shown["manifest"]["metadata"] == {"name": name}
    assert [trial["metrics"] for trial in shown["trials"]] == [{"score": "0.1"}, None, {"score": "0.3"}]
    assert [trial["assignments"] for trial in shown["trials"]] == [{"value": f"v{index}"} for index in (1, 2, 3)]
    assert [trial["exit_code"] for trial in shown["trials"]] == [0, 3, 0]


def test_a_run_that_goes_on_and_one_that_was_killed(name: str, call: Call, tmp_path: Path) -> None:
    (path,) = (tmp_path / "runs").iterdir()
    with closing(sqlite3.connect(path / "experiment.db")) as connection, connection:
        connection.execute("UPDATE experiment SET verdict = NULL")
    with run_folder.locked(RunFolder(path)):
        assert " running " in call("list")[1]
        assert call("show")[1].startswith(f"{name}: is running (3 trials")
    assert " interrupted " in call("list")[1]
    printed = call("show")[1]
    assert printed.startswith(f"{name}: interrupted (3 trials")
    assert f"\n- to go on: katib-nas run manifest.yaml --output-dir runs/{path.name} --resume\n" in printed


def cut(database: Path) -> None:
    os.truncate(database, 8192)


def scribble(database: Path) -> None:
    database.write_bytes(b"no database at all, but long enough" * 100)


def empty(database: Path) -> None:
    database.write_bytes(b"")


def forget(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM experiment")


def garble(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE trials SET assignments = '{'")


def drop(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript("DROP TABLE observations; DROP TABLE trials")


@pytest.mark.parametrize("damage", [cut, scribble, empty, forget, garble, drop])
def test_a_damaged_run_is_said_to_be_so(name: str, call: Call, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    (kept,) = (tmp_path / "runs").iterdir()
    shutil.copytree(kept, tmp_path / "runs" / "damaged")
    damage(tmp_path / "runs" / "damaged" / "experiment.db")
    code, printed, errors = call("list")
    assert code == 0
    sound, damaged = printed.splitlines()[-2:]
    assert sound.split()[0] == name
    assert damaged.split() == ["unreadable", "damaged"]
    assert errors.startswith(f"damaged: {tmp_path}/runs/damaged/experiment.db ")
    assert errors.count("\n") == 1
    assert [run["state"] for run in json.loads(call("list", "--json")[1])] == ["completed", "unreadable"]
    for command in ("show", "report"):
        code, _, errors = call(command, "damaged" if command == "show" else "runs/damaged")
        assert code == 2
        assert errors.startswith(f"katib-nas: {tmp_path}/runs/damaged/experiment.db ")
        assert errors.count("\n") == 1


def test_what_holds_no_run_is_said_so(name: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "runs" / "nothing").mkdir()
    code, _, errors = call("show", "nothing")
    assert (code, errors) == (2, "katib-nas: nothing holds no run; katib-nas list shows those that are kept\n")
    assert "nothing" not in call("list")[1]


def test_help(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    for command, words in (("list", "List the runs that are kept, the newest first."), ("show", "--runs-dir D")):
        with pytest.raises(SystemExit):
            call(command, "--help")
        assert words in capsys.readouterr().out
