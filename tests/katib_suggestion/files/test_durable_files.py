"""Files that are published, whatever a loss of power leaves."""

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from katib_suggestion.files import durable_files
from tests.power_loss import Disk


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    durable_files.write(tmp_path / "file", b"old")
    disk = Disk(tmp_path)
    with disk.watched():
        durable_files.write(tmp_path / "file", b"new and longer")
    assert {state["file"] for state in disk.states()} == {b"old", b"new and longer"}
    assert disk.in_the_end == [{"file": b"new and longer"}]


def test_a_file_in_new_folders_is_there_once_the_call_returns(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with disk.watched():
        durable_files.write(tmp_path / "a" / "b" / "file", b"new")
    assert disk.in_the_end == [{"a/b/file": b"new"}]
    assert {state.get("a/b/file", b"new") for state in disk.states()} == {b"new"}


def test_a_folder_gets_its_name_with_all_that_is_in_it(tmp_path: Path) -> None:
    draft, whole = tmp_path / "draft", {"folder/one": b"1", "folder/inner/two": b"2"}
    disk = Disk(tmp_path)
    with disk.watched():
        (draft / "inner").mkdir(parents=True)
        (draft / "one").write_bytes(b"1")
        (draft / "inner" / "two").write_bytes(b"2")
        durable_files.publish(draft, tmp_path / "folder")
    published = [state for state in disk.states() if any(name.startswith("folder") for name in state)]
    assert published
    assert all(state == whole for state in published)
    assert disk.in_the_end == [whole]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_a_file_system_that_synchronises_no_folders_is_none_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    synchronise: Callable[[int], None] = os.fsync

    def only_files(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(code, os.strerror(code))
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    if code == errno.EINVAL:
        durable_files.write(tmp_path / "file", b"new")
    else:
        with pytest.raises(OSError, match="Input/output error"):
            durable_files.write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_write_that_ends_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    """As on a disk that fills up, but for the errno."""
    path = tmp_path / "weights.safetensors"
    durable_files.write(path, b"old" * 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            durable_files.write(path, b"new" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_bytes() == b"old" * 1000
    assert list(tmp_path.iterdir()) == [path]
