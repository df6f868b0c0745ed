"""The folder of a run: where it is, who may write it, and what lies where in it."""

import contextlib
import fcntl
import logging
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from katib_local.errors import RunFolderError
from katib_local.record.trials import Trial
from katib_suggestion.files import durable_files
from katib_suggestion.files.result_files import BEST

LOCK = "lock"
"""In the folder; another runner's, or for a moment of somebody who asks."""

REPORT = "report.html"
"""The page."""

_ASKING_S = 0.5
"""Longer than it takes to ask."""

logger = logging.getLogger(__name__)

RUNS = Path("runs")
"""Where runs go when nothing else is said, below the working directory."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside the folder of one run."""

    path: Path
    is_new: bool = False
    """Whether the run has made the folder, and not the user."""

    @property
    def database(self) -> Path:
        """Everything that is known of the experiment and its trials."""
        return self.path / "experiment.db"

    @property
    def draft(self) -> Path:
        """The database before it is whole."""
        return self.path / "experiment.db.new"

    @property
    def service_log(self) -> Path:
        """What the suggestion service logged."""
        return self.path / "service.log"

    @property
    def service_state(self) -> Path:
        """Where the suggestion service keeps what it has learned, for --resume."""
        return self.path / "service-state"

    @property
    def report(self) -> Path:
        """The page that shows the run."""
        return self.path / REPORT

    @property
    def trials(self) -> Path:
        """Where the folders of the trials are."""
        return self.path / "trials"

    def trial(self, name: str) -> Path:
        """Folder of one trial."""
        return self.trials / name


def create(path: Path | None, experiment: str, now: datetime) -> RunFolder:
    """Make the folder of a new run.

    Args:
        path: where the user wants it: a folder that is empty or not there yet. None makes one below `RUNS`.
        experiment: name of the experiment.
        now: goes into the name of the folder.

    Raises:
        RunFolderError: the folder cannot be made, or holds something.
    """
    if path is None:
        path = _free(RUNS / f"{experiment}-{now:%Y%m%d-%H%M%S}")
    folder = RunFolder(path.absolute(), is_new=not path.exists())
    if folder.database.exists():
        raise RunFolderError(f"--output-dir: {path} holds a run already; --resume goes on with it")
    try:
        durable_files.make_folder(folder.path)
        # A run that was killed before it had a database has done nothing.
        began = {LOCK, folder.draft.name, f"{folder.draft.name}-journal"}
        is_empty = all(entry.name in began for entry in folder.path.iterdir())
    except OSError as error:
        raise RunFolderError(f"--output-dir: {path} cannot be used: {error.strerror}") from error
    if not is_empty:
        raise RunFolderError(f"--output-dir: {path} is not empty; name a new folder")
    return folder


def discard(folder: RunFolder) -> None:
    """Delete what a new run has made: all that `create` found empty, and the folder itself unless it is the user's."""
    if folder.is_new:
        shutil.rmtree(folder.path)
        return
    for entry in folder.path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def set_aside(folder: RunFolder) -> Path | None:
    """Make room for a run that begins anew: move its trials, and forget what the service has learned from them.

    Returns:
        where the trials are now; None where there were none.
    """
    if folder.service_state.exists():
        shutil.rmtree(folder.service_state)
    if not folder.trials.exists():
        return None
    before = folder.trials.rename(_free(folder.path / "trials-before"))
    durable_files.synchronise_folder(folder.path)
    return before


def find(path: Path | None, experiment: str) -> RunFolder:
    """Find the folder of a run to go on with: the one named, or else the experiment's newest below `RUNS`.

    Raises:
        RunFolderError: there is none.
    """
    if path is None:
        pattern = re.compile(rf"{re.escape(experiment)}-\d{{8}}-\d{{6}}(-\d+)?")
        runs = [run for run in _subfolders(RUNS) if pattern.fullmatch(run.name) and RunFolder(run).database.exists()]
        if not runs:
            raise RunFolderError(
                f"--resume: no run of {experiment} below {RUNS.absolute()}; --output-dir names another"
            )
        path = max(runs, key=lambda run: run.name)
    folder = RunFolder(path.absolute())
    if not folder.database.exists():
        raise RunFolderError(f"--resume: {path} holds no run")
    return folder


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keep every other runner out of the folder; the lock ends with this process, however it ends.

    Raises:
        RunFolderError: another runner has it.
    """
    with (folder.path / LOCK).open("w") as file:
        deadline = time.monotonic() + _ASKING_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise RunFolderError(f"{folder.path} is in use by another katib-nas run") from error
                time.sleep(0.02)
            except OSError as error:
                logger.warning("%s cannot be locked (%s): see to it that one run uses it", folder.path, error.strerror)
                break
        yield


def point_at_best(folder: RunFolder, best: Trial | None) -> None:
    """Let the run's `best` lead to the best trial so far; where links are not to be had, there is none."""
    link = folder.path / BEST
    with contextlib.suppress(OSError):
        if best is None:
            link.unlink(missing_ok=True)
        elif not link.is_symlink() or link.readlink().name != best.name:
            made = link.with_name(f"{BEST}.new")
            made.unlink(missing_ok=True)
            made.symlink_to(folder.trial(best.name).relative_to(folder.path))
            durable_files.publish(made, link)


def newest(path: Path | None, runs: Path = RUNS) -> RunFolder:
    """Find a run to look at.

    Args:
        path: its folder, or its folder's name in `runs`; None takes the newest there, of any experiment.
        runs: where runs are kept.

    Raises:
        RunFolderError: there is none.
    """
    if path is None:
        kept = below(runs)
        if not kept:
            raise RunFolderError(f"no run below {runs.absolute()}; name the folder of one")
        return max(kept, key=lambda folder: folder.database.stat().st_mtime)
    folders = [RunFolder(place.absolute()) for place in (path, runs / path)]
    found = next((folder for folder in folders if folder.database.exists()), None)
    if found is None:
        raise RunFolderError(f"{path} holds no run; katib-nas list shows those that are kept")
    return found


def below(runs: Path) -> list[RunFolder]:
    """Find the runs right below a folder, which need not be there."""
    return [folder for path in _subfolders(runs) if (folder := RunFolder(path.absolute())).database.exists()]


def is_in_use(folder: RunFolder) -> bool:
    """Tell whether a runner has the folder."""
    try:
        with (folder.path / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # there is no such file, or no locks on its file system
    return False


def _free(path: Path) -> Path:
    """The path itself, or with a number where two runs start in the same second."""
    candidates = (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000)))
    return next(candidate for candidate in candidates if not candidate.exists())


def _subfolders(path: Path) -> list[Path]:
    return [item for item in path.iterdir() if item.is_dir()] if path.is_dir() else []
