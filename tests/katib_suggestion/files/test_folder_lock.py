"""A folder of one process at a time, whatever becomes of the processes."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from katib_suggestion.files.folder_lock import FolderLock

HOLDER = """
import sys, time
from pathlib import Path
from katib_suggestion.files.folder_lock import FolderLock

lock = FolderLock(Path(sys.argv[1]))
print(lock.claim(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[FolderLock]:
    made = FolderLock(tmp_path / "new" / "folder")
    yield made
    made.release()


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Have another process hold the folder; it is killed at the end."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "new" / "folder")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:

        def held() -> subprocess.Popen[str]:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "True\n"
            return holder

        yield held
        holder.kill()


def test_it_is_ours_as_often_as_we_ask_and_anybodys_afterwards(lock: FolderLock, tmp_path: Path) -> None:
    assert lock.claim()
    assert lock.claim()
    other = FolderLock(tmp_path / "new" / "folder")
    assert not other.claim()
    lock.release()
    assert other.claim()
    assert not lock.claim()
    other.release()


def test_many_threads_of_one_process_have_it_together(lock: FolderLock) -> None:
    claims: list[bool] = []
    threads = [threading.Thread(target=lambda: claims.append(lock.claim())) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert claims == [True] * 50


def test_another_process_has_it_until_it_is_killed(
    lock: FolderLock, hold: Callable[[], subprocess.Popen[str]], caplog: pytest.LogCaptureFixture
) -> None:
    holder = hold()
    assert not lock.claim()
    assert not lock.wait(0.3)
    assert "is in use by another process: waiting up to 0.3 s" in caplog.text
    threading.Timer(0.5, holder.kill).start()
    started = time.monotonic()
    assert lock.wait(30)
    assert time.monotonic() - started < 10


def test_a_folder_that_cannot_be_made_is_a_warning_and_anybodys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    lock = FolderLock(tmp_path / "file" / "folder")
    with caplog.at_level(logging.WARNING):
        assert lock.claim()
        assert lock.claim()
    assert caplog.text.count("cannot be locked (Not a directory)") == 1
