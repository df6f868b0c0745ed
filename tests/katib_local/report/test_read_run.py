"""Reports of real run folders, and the command that writes them."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib_local.commands import cli
from katib_local.errors import RunFolderError
from katib_local.record import run_folder
from katib_local.record.run_folder import RunFolder
from katib_local.report import importance, page, read_run
from katib_suggestion.experiment import TrialCondition

Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., Path]
Program = Callable[[str], Path]

CURVE = 'for value in 0.1 0.3 0.2; do echo "score=$value"; done; [ $1 != v2 ] || exit 7'
"""Three values each; the second trial fails then."""


def test_a_run_ends_with_its_report(run: Run, write_manifest: Write, program: Program, tmp_path: Path) -> None:
    program(CURVE)
    out = tmp_path / "out"
    code, printed, progress = run("run", write_manifest(), "--output-dir", str(out), "--parallel", "2")
    assert code == 0, progress
    assert printed.endswith(f"Report: {out}/report.html\n")
    found = read_run.read(RunFolder(out), is_running=False)
    assert found.state == "all trials are completed"
    assert [item.trial.condition for item in found.trials] == [TrialCondition.SUCCEEDED, TrialCondition.FAILED]
    assert [item.curves for item in found.trials] == [{"score": (0.1, 0.3, 0.2)}] * 2
    assert found.best is found.trials[0]
    assert found.best_so_far() == [(1, 0.3)]
    assert set(found.versions) > {"Python", "torch", "katib-nas"}
    name = found.name
    assert found.command.startswith(f"katib-nas run {name}.yaml --parallel 2 --suggestion 127.0.0.1:")
    assert f"name: {name}" in found.manifest
    assert f"<h1>{name}</h1>" in (out / "report.html").read_text()


def test_the_newest_run_is_reported(
    run: Run,
    write_manifest: Write,
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program("echo score=1")
    monkeypatch.chdir(tmp_path)
    assert run("run", write_manifest())[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    (folder / "report.html").unlink()
    assert cli.main(["report"]) == 0
    assert capsys.readouterr().out == f"{folder}/report.html\n"
    assert cli.main(["report", str(folder), "--output", "other.html"]) == 0
    assert (tmp_path / "other.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no run below"),
        (["nowhere"], "nowhere holds no run"),
        (["nowhere", "--experiment", "e"], "RUN_DIR and --experiment are not allowed together"),
    ],
)
def test_wrong_use(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_trial_that_runs_is_shown_with_what_it_has_printed(
    run: Run, write_manifest: Write, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The trial reports its last value only once the page shows those before it.
    shown = "grep -qF '[0.25, 0.5]' ../../../report.html"
    program(
        f"echo score=0.25; echo score=0.5; for _ in $(seq 600); do {shown} && break; sleep 0.1; done; {shown} && "
        "echo score=0.75"
    )
    monkeypatch.setattr("katib_local.report.living._REST_S", 0.1)
    monkeypatch.setattr("katib_local.report.living._SHARE", 1.0)
    out = tmp_path / "out"
    code, _, progress = run("run", write_manifest(), "--output-dir", str(out))
    assert code == 0, progress
    found = read_run.read(RunFolder(out), is_running=False)
    assert found.trials[0].curves == {"score": (0.25, 0.5, 0.75)}


def test_a_folder_in_use(tmp_path: Path) -> None:
    folder = run_folder.create(tmp_path / "out", "mini", datetime.now(UTC))
    assert not run_folder.is_in_use(folder)
    with run_folder.locked(folder):
        assert run_folder.is_in_use(folder)
    assert not run_folder.is_in_use(folder)


def test_alphas_and_the_controller(
    run: Run, write_manifest: Write, program: Program, tmp_path: Path, make: Any
) -> None:
    program("printf 'epoch,cell,source,node,operation,weight\\n' > $KATIB_NAS_OUTPUT_DIR/alphas.csv; echo score=1")
    out = tmp_path / "out"
    assert run("run", write_manifest(), "--output-dir", str(out))[0] == 0
    found = read_run.read(RunFolder(out), is_running=False)
    assert (found.trials[0].alphas, found.controller) == ((), ())
    name = found.trials[0].trial.name
    lines = [
        f"{epoch},normal,0,2,{operation},{weights[index]}"
        for index, epoch in enumerate(make.alphas.epochs)
        for operation, weights in zip(("max_pooling_3x3", "skip_connection"), make.alphas.weights, strict=True)
    ]
    with (out / "trials" / name / "artifacts" / "alphas.csv").open("a") as file:
        file.write("\n".join(lines))
    state = out / "service-state" / "mini-1"
    state.mkdir(parents=True)
    (state / "history.csv").write_text("num_trials,best,loss,entropy,skip_rate\n2,,0,9.5,0.5\n4,0.3,0,9.0,0.25\n")
    rows = [
        f"{one.name},{one.kind},{one.importance},{value},{expected}"
        # What matters least stands first, and a value that the model has not seen is told as no number.
        for one in reversed(make.learned)
        for value, expected in [*one.expected.items(), ("1", "nan")]
    ]
    (state / "importance.csv").write_text("\n".join(["name,kind,importance,value,expected", *rows]))
    found = read_run.read(RunFolder(out), is_running=True)
    assert found.trials[0].alphas == (make.alphas,)
    assert found.controller == make.controller
    assert found.learned == make.learned


@pytest.mark.parametrize("text", ["name,kind\na,b\n", "name,kind,importance,value,expected\na,b,much,c,d\n"])
def test_what_is_no_table_of_importance_is_left_out(tmp_path: Path, text: str, caplog: Any) -> None:
    (tmp_path / "mini-1").mkdir()
    (tmp_path / "mini-1" / "importance.csv").write_text(text)
    assert importance.read(tmp_path) == ()
    assert "left out of the report" in caplog.text


@pytest.mark.parametrize(
    "write",
    [
        "head -c 3000 /dev/urandom",
        "echo not,this",
        r"printf 'epoch,cell,source,node,operation,weight\n1,normal,0,2,none,nan\n'",
    ],
)
def test_artifacts_of_a_strange_program_are_left_out(
    run: Run, write_manifest: Write, program: Program, tmp_path: Path, write: str
) -> None:
    program(f"{write} > $KATIB_NAS_OUTPUT_DIR/alphas.csv; echo score=1")
    out = tmp_path / "out"
    assert run("run", write_manifest(), "--output-dir", str(out))[0] == 0
    assert read_run.read(RunFolder(out), is_running=False).trials[0].alphas == ()


def test_a_report_that_cannot_be_written_does_not_end_the_run(
    run: Run, write_manifest: Write, program: Program, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # While the trial runs a report may be written at any time, before the folder is there too.
    program("rm -f ../../../report.html; mkdir -p ../../../report.html; echo score=1")
    out = tmp_path / "out"
    code, printed, _ = run("run", write_manifest(), "--output-dir", str(out))
    assert code == 0
    assert "Report:" not in printed
    assert "the report cannot be written" in caplog.text


COLUMNS = {
    "experiment": ("name", "manifest", "options", "reply_settings", "versions", "created", "verdict"),
    "trials": ("name", "number", "condition", "assignments", "labels", "reason", "started", "finished", "observation"),
    "observations": ("metric", "value", "time"),
}
ALPHAS = (
    "epoch,cell,source,node,operation,weight\n1,normal,0,2,max_pooling_3x3,0.5\n2,normal,0,2,max_pooling_3x3,0.25\n"
)
HISTORY = "num_trials,entropy,skip_rate\n2,9.5,0.5\n4,9.0,0.25\n"


@pytest.fixture
def kept(run: Run, write_manifest: Write, program: Program, tmp_path: Path) -> Path:
    """The folder of a run."""
    program(CURVE)
    assert run("run", write_manifest(), "--output-dir", str(tmp_path / "kept"))[0] == 0
    return tmp_path / "kept"


@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_whatever_a_database_says_it_is_shown_or_refused(kept: Path, bad: Any, data: st.DataObject) -> None:
    changed = RunFolder(kept.with_name("changed"))
    changed.path.mkdir(exist_ok=True)
    shutil.copyfile(RunFolder(kept).database, changed.database)
    table = data.draw(st.sampled_from(sorted(COLUMNS)))
    column = data.draw(st.sampled_from(COLUMNS[table]))
    with contextlib.closing(sqlite3.connect(changed.database)) as database:
        (before,) = database.execute(f"SELECT {column} FROM {table}").fetchone()
        values = bad.texts | bad.values.map(json.dumps)
        if str(before).startswith("{"):
            values |= bad.document({"x": json.loads(before)}).map(lambda document: json.dumps(document.get("x")))
        elif isinstance(before, str):
            values |= bad.text(before)
        # What the table's own checks keep out stays as it was.
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError), database:
            database.execute(f"UPDATE {table} SET {column} = ?", (data.draw(values),))
    _show(changed)


@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_whatever_the_files_of_a_run_hold_they_are_shown_or_left_out(kept: Path, bad: Any, data: st.DataObject) -> None:
    artifacts = next((kept / "trials").iterdir()) / "artifacts"
    history = kept / "service-state" / "experiment" / "history.csv"
    history.parent.mkdir(parents=True, exist_ok=True)
    for path, valid in ((artifacts / "alphas.csv", ALPHAS), (history, HISTORY)):
        as_text = bad.text(valid).map(lambda text: text.encode(errors="replace"))
        path.write_bytes(data.draw(as_text | bad.content(valid.encode())))
    assert _show(RunFolder(kept))


@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_whatever_bytes_a_database_has_it_is_shown_or_refused(kept: Path, bad: Any, data: st.DataObject) -> None:
    changed = RunFolder(kept.with_name("changed"))
    changed.path.mkdir(exist_ok=True)
    changed.database.write_bytes(data.draw(bad.content(RunFolder(kept).database.read_bytes())))
    _show(changed)


def _show(folder: RunFolder) -> str | None:
    """The report of a run; None where the run is refused by the name of its database."""
    refusal = "experiment.db"
    try:
        return page.render(read_run.read(folder, is_running=False))
    except RunFolderError as error:
        refusal = str(error)
    assert "experiment.db" in refusal
    return None
