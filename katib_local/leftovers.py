"""Processes that a runner started and, killed itself, could not end.

Each is recorded by its id in a file, and knows that file's path by an environment variable: so an id that another
process has got meanwhile is told apart. Where there is no ``/proc``, leftovers are left alone.
"""

import os
import re
import signal
from pathlib import Path

MARK = "KATIB_NAS_PROCESS_FILE"
"""Environment variable that a recorded process must be started with; its value is the file's path."""

_PROCESS_ID = re.compile(rb"[1-9][0-9]{0,9}")


def record(file: Path, process_id: int) -> None:
    """Write down the leader of a process group that was started with `MARK`."""
    # Renamed into place: a runner that is killed meanwhile leaves no half of an id.
    temporary = file.with_name(f"{file.name}.new")
    temporary.write_text(f"{process_id}\n")
    temporary.replace(file)


def end(file: Path) -> None:
    """Kill the recorded process group where it still runs, and forget it; a file that holds no id stands for none."""
    if not file.exists():
        return
    content = file.read_bytes().strip()
    if _PROCESS_ID.fullmatch(content) and f"{MARK}={file}".encode() in _environment(int(content)):
        signal_group(int(content), signal.SIGKILL)
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
