"""Reports of real run folders, and the command that writes them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from katib_local import cli, run_folder
from katib_local.report import read_run
from katib_local.run_folder import RunFolder
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
    found = read_run.read(RunFolder(out), is_running=True)
    assert found.trials[0].alphas == (make.alphas,)
    assert found.controller == make.controller


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
    program("mkdir -p ../../../report.html; echo score=1")
    out = tmp_path / "out"
    code, printed, _ = run("run", write_manifest(), "--output-dir", str(out))
    assert code == 0
    assert "Report:" not in printed
    assert "the report cannot be written" in caplog.text
