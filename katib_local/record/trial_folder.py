"""The folder of a trial: what lies where in it, and how it ended."""

import os
import re
from io import BytesIO
from pathlib import Path
from typing import IO

from katib_local.manifest.experiment import Collector
from katib_suggestion.errors import escaped

LOG = "output.log"
"""What the trial printed, standard output and standard error together."""
EXIT_CODE = "exit_code"
"""Written once the trial has ended of itself."""
STOPPED = "early_stopped"
"""There once a trial's rules have it stopped early."""
METRICS = "metrics"
"""Takes the place of the folder that Katib mounts for the File collector."""
SUGGESTION = "suggestion"
"""Takes the place of the trial's folder on the suggestion's volume, where `suggestion_trial_dir` has Katib mount it."""
WORK = "cwd"
"""The trial's working directory: links to the program's files, so that nothing is written beside them."""

COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
"""What colours the output of a program."""

_ERROR = re.compile(rb"(?:\S+: )?[Ee]rror: (?P<said>.+)")
"""As our trainers, argparse and others print one."""
_TRACEBACK = b"Traceback (most recent call last)"
_WITHIN = re.compile(rb"\s|[^\x00-\x7f]|[|+]")
"""How the lines of a traceback begin, those in a frame included."""
_GROUP = b"Exception Group "
_BAR = re.compile(rb"^\s*\| (?=\S)")
"""Before the exception of a group, which its frames have as well, further in."""
_EXCEPTION = re.compile(rb"[A-Za-z_][\w.]*(?:Error|Exception): .+")
"""What Python says last, also where no frame stands before it, as of a program that is no Python."""
_INTERPRETER = re.compile(rb"(?:\S*/)?(?:sh|bash|dash|python[\d.]*): .+")
"""What a shell or Python itself says of a program that it cannot start."""
_TAIL_BYTES = 65_536
"""Of a trial's output, in which its last error is looked for."""


def exit_code(folder: Path) -> int | None:
    """Read how a trial has ended of itself, from its folder; None where it has not, or nobody saw it."""
    try:
        content = (folder / EXIT_CODE).read_text()
    except FileNotFoundError:
        return None
    return int(content) if re.fullmatch(r"\d{1,3}\n", content) else None


def was_stopped(folder: Path) -> bool:
    """Tell whether a trial was stopped early, or was about to be when nobody looked any more."""
    return (folder / STOPPED).exists()


def metrics_file(folder: Path, collector: Collector) -> Path:
    """Name the file of a trial's folder that its metrics are collected from."""
    return folder / LOG if collector.path is None else folder / METRICS / Path(collector.path).name


def output(path: Path) -> IO[bytes]:
    """Open the file that `metrics_file` names, so far; empty where the trial has written none."""
    return path.open("rb") if path.is_file() else BytesIO()


def last_error(folder: Path) -> str:
    """Return what the last error in a trial's output says; empty without any.

    That is an ``error:`` line, as our trainers print one, the exception that a traceback ends with, or what a shell
    says of a command that it cannot run.
    """
    with output(folder / LOG) as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = COLOUR.sub(b"", log.read(_TAIL_BYTES)).splitlines()
    last = b""
    ends_by: bytes | None = None
    is_group = False
    for line in lines:
        before, is_start, _ = line.partition(_TRACEBACK)
        if is_start:
            # torchrun puts a name before each line of a process: "[rank0]: ".
            ends_by = before if before.endswith(b": ") else b""
            is_group = before.endswith(_GROUP)
        elif ends_by is not None and line.startswith(ends_by):
            said = line.removeprefix(ends_by)
            if is_group:
                said = _BAR.sub(b"", said)
            if said.strip() and not _WITHIN.match(said):
                last, ends_by = said, None
        elif match := _ERROR.match(line):
            last = match["said"]
        elif _EXCEPTION.fullmatch(line) or _INTERPRETER.match(line):
            last = line
    return escaped(last.decode(errors="replace").strip())
