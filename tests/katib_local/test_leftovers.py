"""Processes that a killed runner has left."""

import os
import subprocess
from pathlib import Path

import pytest

from katib_local import leftovers


def test_what_is_recorded_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "process"
    environment = {**os.environ, leftovers.MARK: str(file)}
    with subprocess.Popen(["sleep", "60"], start_new_session=True, env=environment) as process:
        leftovers.record(file, process.pid)
        assert file.read_text() == f"{process.pid}\n"
        leftovers.end(file)
        assert process.wait(timeout=10) == -9
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"12 34\n", b"-1\n", b"0\n", b"\xff\x00", b"9" * 5000])
def test_a_file_that_holds_no_id_stands_for_no_process(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "process"
    file.write_bytes(content)
    leftovers.end(file)
    assert list(tmp_path.iterdir()) == []
