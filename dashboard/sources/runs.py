"""Runs on this machine, below one folder."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dashboard.sources import summary
from dashboard.sources.source import Log, NotThereError, UnreadableError
from dashboard.sources.summary import Summary
from katib_local.errors import RunFolderError
from katib_local.record import costs, kept_runs, run_folder, trial_folder, trials
from katib_local.record.kept_runs import KeptRun
from katib_local.record.run_folder import RunFolder
from katib_local.record.store import Store
from katib_local.record.trials import Trial
from katib_local.report import read_run
from katib_local.report.model import Report
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.files.result_files import ARTIFACTS

PLACE = "runs"
"""The one place that there is."""

LOG_BYTES = 200_000
"""Of a trial's output that are shown, the last ones."""

T = TypeVar("T")

_BROKEN = (RunFolderError, InvalidExperiment, OSError, sqlite3.Error)


class Runs:
    """The runs right below a folder, which need not be there.

    Args:
        folder: where runs are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[Path, tuple[str, Summary]] = {}

    def summaries(self, place: str) -> Sequence[Summary]:
        """List the runs; one that cannot be read says why."""
        self._check(place)
        kept = {}
        for folder in run_folder.below(self._folder):
            version = _version(folder)
            before = self._kept.get(folder.path)
            is_as_before = before is not None and before[0] == version
            kept[folder.path] = before if before and is_as_before else (version, _summary(folder))
        self._kept = kept
        found = [one for _, one in kept.values()]
        return sorted(found, key=lambda one: -one.started.timestamp() if one.started else 0.0)

    def report(self, place: str, key: str) -> Report:
        """Read a run."""
        return _read(lambda: read_run.of(kept_runs.read(self._find(place, key))))

    def trial(self, place: str, key: str, name: str) -> Report:
        """Read one trial of a run."""
        run, trial = self._trial(place, key, name)
        report = _read(lambda: read_run.of(replace(run, trials=(trial,))))
        found = costs.read(run.folder.trial(trial.name) / ARTIFACTS)
        return replace(report, trials=tuple(replace(item, costs=found) for item in report.trials))

    def logs(self, place: str, key: str, name: str) -> Sequence[Log]:
        """Read the end of a trial's output."""
        run, trial = self._trial(place, key, name)
        path = run.folder.trial(trial.name) / trial_folder.LOG
        with trial_folder.output(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = trial_folder.COLOUR.sub(b"", file.read(LOG_BYTES)).decode(errors="replace")
        return [Log(title=trial_folder.LOG, text=text, is_cut=size > LOG_BYTES)]

    def version(self, place: str, key: str | None) -> str:
        """Say when what is kept of a run, or of any, was written last."""
        self._check(place)
        folders = run_folder.below(self._folder) if key is None else [self._find(place, key)]
        # Within a process the hash of a text is the same, and no page outlives the process.
        return str(hash(tuple(_version(folder) for folder in folders)))

    def _find(self, place: str, key: str) -> RunFolder:
        self._check(place)
        folder = RunFolder((self._folder / key).absolute())
        if key == ".." or folder.path.name != key or not _is_there(folder):
            raise NotThereError(f"there is no run {key} below {self._folder.absolute()}")
        return folder

    def _trial(self, place: str, key: str, name: str) -> tuple[KeptRun, Trial]:
        run = _read(lambda: kept_runs.read(self._find(place, key)))
        for trial in run.trials:
            if trial.name == name:
                return run, trial
        raise NotThereError(f"there is no trial {name} in {key}")

    @staticmethod
    def _check(place: str) -> None:
        if place != PLACE:
            raise NotThereError(f"there is no {place} here, only {PLACE}")


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except _BROKEN as error:
        raise UnreadableError(str(error)) from error


def _is_there(folder: RunFolder) -> bool:
    try:
        return folder.database.exists()
    except (OSError, ValueError):  # no name of a file: too long, or of letters that none has
        return False


def _version(folder: RunFolder) -> str:
    """When a run's database was written, and while it runs its trials' outputs."""
    written = [folder.database.stat().st_mtime_ns]
    is_in_use = run_folder.is_in_use(folder)
    if is_in_use and folder.trials.is_dir():
        with os.scandir(folder.trials) as entries:
            outputs = [Path(entry.path) / trial_folder.LOG for entry in entries]
        written += [output.stat().st_mtime_ns for output in outputs if output.exists()]
    return f"{folder.path.name} {is_in_use} {len(written)} {max(written)} {written[0]}"


def _summary(folder: RunFolder) -> Summary:
    """Read what the list says of a run, without what its trials were given, which is most of a database."""
    is_running = run_folder.is_in_use(folder)
    try:
        with Store.reading(folder.database) as store:
            document, verdict, started = store.manifest, store.verdict, store.created.astimezone()
            outcomes = store.outcomes()
            outline = summary.outline(document["spec"])
    except _BROKEN as error:
        return Summary(key=folder.path.name, name=folder.path.name, state="unreadable", detail=str(error))
    return Summary(
        key=folder.path.name,
        name=str(document["metadata"]["name"]),
        state=kept_runs.in_a_word(verdict, is_running=is_running),
        is_running=is_running and verdict is None,
        algorithm=outline.algorithm,
        metric=outline.objective.metric,
        num_done=sum(one.condition in trials.COMPLETED for one in outcomes),
        max_trials=outline.max_trials,
        best=summary.best(outline.objective, outcomes),
        best_so_far=summary.best_so_far(outline.objective, outcomes),
        started=started,
    )
