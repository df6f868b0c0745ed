"""Processes that a runner started and, killed itself, could not end; and what those have started in their turn.

Each knows by an environment variable, which its children inherit, what it belongs to: so it is found wherever it is,
without a list that a kill might come before, and an id that another process has got meanwhile is told apart. Where
there is no ``/proc``, leftovers are left alone.
"""

import os
import signal
import time
from pathlib import Path

MARK = "KATIB_NAS_MARK"
"""Environment variable; its value is a path that stands for what a process belongs to."""

_PASSES = 50
_POLL_S = 0.02


def mark(path: Path) -> dict[str, str]:
    """Return the variable that a process must be started with, to be found again by a path or one above it."""
    return {MARK: str(path.resolve())}


def find(path: Path) -> list[int]:
    """Ids of all processes, but this one, that are marked by a path or one below it."""
    exact = f"{MARK}={path.resolve()}".encode()
    return [
        process_id
        for entry in Path("/proc").glob("[1-9]*")
        if (process_id := int(entry.name)) != os.getpid()
        and any(variable == exact or variable.startswith(exact + b"/") for variable in _environment(entry))
    ]


def in_group(path: Path, leader: int) -> list[int]:
    """The same, but only those of a process group."""
    return [process_id for process_id in find(path) if _group_of(process_id) == leader]


def end(path: Path) -> None:
    """Kill all that is marked by a path or one below it, and what it starts meanwhile."""
    for _ in range(_PASSES):
        found = find(path)
        if not found:
            return
        for process_id in found:
            _kill(process_id)
        time.sleep(_POLL_S)


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to a process group; tell whether there was one. Signal 0 only asks."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _kill(process_id: int) -> None:
    try:
        os.kill(process_id, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it has ended meanwhile, or become another user's


def _group_of(process_id: int) -> int | None:
    try:
        return os.getpgid(process_id)
    except ProcessLookupError:
        return None  # it has ended meanwhile


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
