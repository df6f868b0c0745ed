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
ARTIFACTS = "artifacts"
"""What the trial wrote for keeps."""
METRICS = "metrics"
"""Takes the place of the folder that Katib mounts for the File collector."""
SUGGESTION = "suggestion"
"""Takes the place of the trial's folder on the suggestion's volume, where `suggestion_trial_dir` has Katib mount it."""
WORK = "cwd"
"""The trial's working directory: links to the program's files, so that nothing is written beside them."""

_ERROR = b"error: "
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
    """Return what the last ``error:`` line of a trial's output says, as our trainers print one; empty without any."""
    with output(folder / LOG) as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = log.read(_TAIL_BYTES).splitlines()
    last = next((line for line in reversed(lines) if line.startswith(_ERROR)), b"")
    return escaped(last.removeprefix(_ERROR).decode(errors="replace"))
