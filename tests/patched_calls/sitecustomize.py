"""Python imports this at its start, where its folder is on PYTHONPATH: it writes down what is synchronised and renamed.

Only what Python itself does is seen: of what a library has written, no more than that it was not synchronised when it
was given its name.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_LOG = os.open(os.environ["KATIB_NAS_TEST_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_synchronised: dict[int, tuple[int, int]] = {}
"""Inodes, and how they were then."""


def _tell(kind: str, *paths: object) -> None:
    thread = f"{os.getpid()}.{threading.get_native_id()}"
    line = json.dumps([thread, kind, *(str(Path(str(one)).absolute()) for one in paths)])
    os.write(_LOG, f"{line}\n".encode())


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _inside(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            yield from _inside(inner)


def _synchronising(call: Callable[[Any], None]) -> Callable[[Any], None]:
    def synchronise(file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        call(number)
        status = os.fstat(number)
        _synchronised[status.st_ino] = _state(status)
        _tell("synchronise", Path(f"/proc/self/fd/{number}").readlink())

    return synchronise


def _renaming(call: Callable[..., None]) -> Callable[..., None]:
    def rename(old: Any, new: Any, **others: Any) -> None:
        for path in _inside(Path(old)):
            status = path.lstat()
            if not path.is_symlink() and _synchronised.get(status.st_ino) != _state(status):
                _tell("write", path)
        call(old, new, **others)
        _tell("rename", old, new)

    return rename


def _making(call: Callable[..., None]) -> Callable[..., None]:
    def make(path: Any, *arguments: Any, **others: Any) -> None:
        call(path, *arguments, **others)
        _tell("make", path)

    return make


os.fsync, os.fdatasync = _synchronising(os.fsync), _synchronising(os.fdatasync)
os.rename, os.replace = _renaming(os.rename), _renaming(os.replace)
os.mkdir = _making(os.mkdir)
