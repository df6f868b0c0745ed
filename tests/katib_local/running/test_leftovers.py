"""Processes that a killed runner has left."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from katib_local.running import leftovers

Start = Callable[[Path], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that belongs to a path."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(path: Path) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"], env={**os.environ, **leftovers.mark(path)}))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_what_belongs_to_a_path_or_below_it_is_ended(start: Start, tmp_path: Path) -> None:
    one, other, beside = start(tmp_path / "run" / "a"), start(tmp_path / "run"), start(tmp_path / "run-2")
    assert set(leftovers.find(tmp_path / "run")) == {one.pid, other.pid}
    leftovers.end(tmp_path / "run")
    assert (one.wait(timeout=10), other.wait(timeout=10)) == (-9, -9)
    assert leftovers.find(tmp_path / "run") == []
    assert beside.poll() is None


def test_a_folder_is_the_same_by_another_name(start: Start, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    process = start(tmp_path / "link" / "a")
    leftovers.end(tmp_path / "run")
    assert process.wait(timeout=10) == -9


def test_this_process_itself_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from katib_local.running import leftovers; "
        "leftovers.end(Path(sys.argv[1]))"
    )
    environment = {**os.environ, **leftovers.mark(tmp_path)}
    assert subprocess.run(["python3", "-c", code, str(tmp_path)], env=environment, check=False).returncode == 0
