"""Runs whose trials, services, disks and runners fail."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from katib_local.running import leftovers, trial_process

Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., Path]
Program = Callable[[str], Path]

JOB = "spec.trialTemplate.trialSpec.spec"


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run, of which nothing may be left running."""
    yield tmp_path / "out"
    assert leftovers.find(tmp_path) == []


def trials(out: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(out / "experiment.db")) as connection:
        return connection.execute("SELECT condition, reason FROM trials ORDER BY number").fetchall()


def test_a_trial_that_hangs_is_ended_at_its_deadline(
    run: Run, write_manifest: Write, program: Program, out: Path
) -> None:
    program("[ $1 = v1 ] && { trap '' TERM; setsid sleep 60 & sleep 60; }; echo score=1")
    path = write_manifest({f"{JOB}.activeDeadlineSeconds": 1})
    code, _, errors = run("run", path, "--output-dir", str(out))
    assert code == 0, errors
    assert trials(out) == [("failed", "it ran longer than activeDeadlineSeconds, 1"), ("succeeded", "")]


@pytest.mark.parametrize("deadline", [0, -1, 1.5, "10", True])
def test_a_deadline_is_a_number_of_seconds(run: Run, write_manifest: Write, program: Program, deadline: object) -> None:
    program("true")
    code, _, errors = run("validate", write_manifest({f"{JOB}.activeDeadlineSeconds": deadline}))
    assert code == 3
    assert f"activeDeadlineSeconds: {deadline!r} is not allowed: it must be an integer from 1" in errors


def test_a_trial_that_floods_its_output_is_ended(
    run: Run, write_manifest: Write, program: Program, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_process, "MAX_OUTPUT_BYTES", 100_000)
    # Not as fast as it can: what writes gigabytes a second also keeps the runner's own files from the disk meanwhile.
    program("while [ $1 = v1 ]; do head -c 65536 /dev/zero; sleep 0.01; done; echo score=1")
    code, _, errors = run("run", write_manifest(), "--output-dir", str(out))
    assert code == 0, errors
    assert trials(out) == [("failed", "it printed more than 100000 bytes"), ("succeeded", "")]


def test_a_trial_that_forks_leaves_nothing_behind(run: Run, write_manifest: Write, program: Program, out: Path) -> None:
    """The fixture looks for what is left."""
    program("for _ in 1 2 3 4 5 6 7 8; do sleep 60 & setsid sleep 60 & done; echo score=1")
    assert run("run", write_manifest(), "--output-dir", str(out))[0] == 0


def test_a_service_that_dies_again_and_again_is_started_again_and_the_search_goes_on(
    write_manifest: Write, program: Program, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from katib_local.commands.cli import main

    kill = (
        "import os, sys; from pathlib import Path; from katib_local.running import leftovers; "
        "leftovers.end(Path(sys.argv[1]))"
    )
    folder = program(f"[ $1 = 1 ] && python3 -c '{kill}' {out}/service.log; echo score=1")
    path = write_manifest(
        {
            "spec.algorithm.algorithmName": "darts",
            "spec.maxTrialCount": 3,
            "spec.trialTemplate.trialParameters": [
                {"name": "settings", "reference": "algorithm-settings"},
                {"name": "space", "reference": "search-space"},
                {"name": "layers", "reference": "num-layers"},
            ],
            f"{JOB}.template.spec.containers.0.command": [
                "sh", "program.sh", "1", '"${trialParameters.settings}"', '"${trialParameters.space}"',
                "${trialParameters.layers}",
            ],
        },
        settings=[],
    )  # fmt: skip
    code = main(["run", str(path), "--output-dir", str(out), "--image", f"tests/program={folder}"])
    assert code == 0, capsys.readouterr().err
    assert trials(out) == [("succeeded", "")] * 3
    assert (out / "service.log").read_text().count(" serving") == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system of its own needs the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_full_ends_the_run_and_resume_goes_on(
    run: Run, write_manifest: Write, program: Program, small_disk: Path
) -> None:
    out, filler = small_disk / "out", small_disk / "filler"
    program(
        f"[ -e {filler} ] || [ $1 = v1 ] || {{ cat /dev/zero > {filler}; sleep 60 & setsid sleep 60 & }}; echo score=1"
    )
    path = write_manifest({"spec.maxTrialCount": 4, "spec.parallelTrialCount": 2, "spec.maxFailedTrialCount": 4})
    code, _, errors = run("run", path, "--output-dir", str(out))
    assert code == 5
    assert len([line for line in errors.splitlines() if line.startswith("katib-nas:")]) == 1
    assert leftovers.find(out) == []
    assert shutil.disk_usage(small_disk).free == 0
    filler.write_bytes(b"")
    code, printed, errors = run("run", path, "--output-dir", str(out), "--resume")
    assert code == 0, errors
    assert "(4 trials: 4 succeeded)" in printed


def test_a_folder_that_is_read_only_is_refused(
    run: Run, write_manifest: Write, program: Program, small_disk: Path
) -> None:
    program("echo score=1")
    path = write_manifest()
    assert run("run", path, "--output-dir", str(small_disk / "done"))[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    code, _, errors = run("run", path, "--output-dir", str(small_disk / "out"))
    assert (code, errors.count("\n")) == (2, 1)
    assert "cannot be used: Read-only file system" in errors
    code, _, errors = run("run", path, "--output-dir", str(small_disk / "done"), "--resume")
    assert (code, errors.count("\n")) == (5, 1)
    assert "Read-only file system" in errors


KILLED = """
import os, signal, sys
from katib_local.commands.cli import main

event, file, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

def happens(what, details):
    global count
    if what == event and any(str(one).endswith(file) for one in details):
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(happens)
sys.exit(main(sys.argv[4:]))
"""
"""Kills itself before the count-th time that something is done to a file."""


@pytest.mark.parametrize(
    ("event", "file", "count"),
    [
        ("os.rename", "experiment.db", 1),  # the folder has nothing yet: not resumed but begun anew
        ("open", "-0002/output.log", 1),  # suggested, and not started
        ("os.rename", "-0002/exit_code", 1),  # ended, and nobody has seen it
        ("open", "-0002/output.log", 3),  # most often ended and seen, but not recorded
        ("open", "-0003/output.log", 3),
        ("os.rename", "report.html", 1),
    ],
)
def test_a_runner_that_is_killed_runs_no_trial_again_and_loses_none(
    run: Run, service: str, write_manifest: Write, program: Program, out: Path, tmp_path: Path,
    event: str, file: str, count: int,
) -> None:  # fmt: skip
    program(f'echo "$1" >> {tmp_path}/ran; echo score=1')
    path = write_manifest({"spec.maxTrialCount": 3})
    flags = ["run", str(path), "--suggestion", service, "--image", f"tests/program={tmp_path}/program"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, event, file, str(count), *flags, "--output-dir", str(out)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    seen = {f"v{int(end.parent.name[-4:])}" for end in out.glob("trials/*/exit_code")}
    resume = [] if file == "experiment.db" else ["--resume"]
    code, printed, errors = run("run", path, "--output-dir", str(out), *resume)
    assert code == 0, errors
    assert "(3 trials: 3 succeeded)" in printed
    ran = Counter((tmp_path / "ran").read_text().split())
    assert {*ran} == {"v1", "v2", "v3"}
    assert {value: ran[value] for value in seen} == dict.fromkeys(seen, 1)
    # The one that ran when the runner was killed may have done its work by then.
    assert ran.total() <= 4


def test_what_a_killed_runner_left_running_is_ended_before_anything_is_started(
    run: Run, service: str, write_manifest: Write, program: Program, out: Path, tmp_path: Path
) -> None:
    """More trials had run in parallel than are started again, and one of them has left its session."""
    # Of a process that has ended and that nobody has waited for, there is an entry but no command line.
    program(
        f"[ -e {tmp_path}/left ] || {{ setsid sleep 60 & sleep 60; }}; "
        f"for id in $(cat {tmp_path}/left); do tr '\\0' ' ' < /proc/$id/cmdline; done >> {tmp_path}/beside 2>&-; "
        "echo score=1"
    )
    path = write_manifest({"spec.parallelTrialCount": 2})
    flags = ["run", str(path), "--suggestion", service, "--image", f"tests/program={tmp_path}/program"]
    command = [str(Path(sys.executable).with_name("katib-nas")), *flags, "--output-dir", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runner:
        deadline = time.monotonic() + 60
        while len(left := leftovers.find(out)) < 6:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        runner.kill()
    (tmp_path / "left").write_text(" ".join(map(str, left)))
    code, printed, errors = run("run", path, "--output-dir", str(out), "--resume", "--parallel", "1")
    assert code == 0, errors
    assert "(2 trials: 2 succeeded)" in printed
    assert (tmp_path / "beside").read_text() == ""
    assert leftovers.find(out) == []
