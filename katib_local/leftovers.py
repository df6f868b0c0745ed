"""Processes that a runner started and, killed itself, could not end.

Each is recorded by its id in a file, and knows that file's path by an environment variable: so an id that another
process has got meanwhile is told apart. Where there is no ``/proc``, leftovers are left alone.
"""

import os
import signal
from pathlib import Path

MARK = "KATIB_NAS_PROCESS_FILE"
"""Environment variable that a recorded process must be started with; its value is the file's path."""


def record(file: Path, process_id: int) -> None:
    """Write down the leader of a process group that was started with `MARK`."""
    file.write_text(f"{process_id}\n")


def end(file: Path) -> None:
    """Kill the recorded process group where it still runs, and forget it."""
    if not file.exists():
        return
    process_id = int(file.read_text())
    if f"{MARK}={file}".encode() in _environment(process_id):
        signal_group(process_id, signal.SIGKILL)
    file.unlink()


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to a process group; tell whether there was one. Signal 0 only asks."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _environment(process_id: int) -> list[bytes]:
    try:
        return Path(f"/proc/{process_id}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
