"""Runs that are kept on this machine, as they stand in their folders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from katib_local.errors import RunFolderError
from katib_local.manifest import manifest
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import Experiment
from katib_local.record import again, run_folder, trials
from katib_local.record.options import Options
from katib_local.record.run_folder import RunFolder
from katib_local.record.store import Store
from katib_local.record.trials import Trial, Verdict

_IN_A_WORD = {
    Verdict.GOAL_REACHED: "goal reached",
    Verdict.MAX_TRIALS_REACHED: "completed",
    Verdict.TOO_MANY_FAILED: "failed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRun:
    """A run, as far as it has come."""

    folder: RunFolder
    document: Document
    """The manifest."""
    experiment: Experiment
    """The same, checked."""
    options: Options
    reply_settings: Mapping[str, str]
    """Algorithm settings that the service has returned."""
    versions: Mapping[str, str]
    """Of what the run was started with, by name."""
    started: datetime
    trials: tuple[Trial, ...]
    """In the order of the suggestions."""
    verdict: Verdict | None
    """None where it goes on, or was interrupted."""
    is_running: bool

    @property
    def is_interrupted(self) -> bool:
        """Whether it can go on, and does not."""
        return self.verdict is None and not self.is_running

    @property
    def state(self) -> str:
        """How far it has come, in words."""
        if self.verdict is not None:
            return self.verdict.value
        return "is running" if self.is_running else "interrupted"

    @property
    def state_in_a_word(self) -> str:
        """The same, for a table."""
        return in_a_word(self.verdict, is_running=self.is_running)

    @property
    def best(self) -> Trial | None:
        """The best trial, if any was measured."""
        return trials.best(self.experiment.objective, self.trials)

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """Algorithm settings: those of the manifest, then those that the service returned."""
        return (*self.experiment.settings, *self.reply_settings.items())

    @property
    def command(self) -> str:
        """The command line that runs the same again."""
        return again.run(again.manifest(self.options, self.experiment.name), self.options)

    @property
    def resume_command(self) -> str | None:
        """The command line that goes on with it; None where it is over, or runs."""
        if self.verdict is not None or self.is_running:
            return None
        return again.resume(again.manifest(self.options, self.experiment.name), self.folder.path)


def in_a_word(verdict: Verdict | None, *, is_running: bool) -> str:
    """Say how far a run has come.

    Args:
        verdict: how it ended; None where it has not.
        is_running: whether a runner has it.
    """
    if verdict is not None:
        return _IN_A_WORD[verdict]
    return "running" if is_running else "interrupted"


def read(folder: RunFolder) -> KeptRun:
    """Read a run as it stands.

    Raises:
        RunFolderError: its database is broken, or of another version.
    """
    # Asked first: a run that ends meanwhile has its verdict in the database.
    is_running = run_folder.is_in_use(folder)
    with Store.reading(folder.database) as store:
        document = store.manifest
        return KeptRun(
            folder=folder,
            document=document,
            experiment=manifest.parse(document, is_new=False),
            options=store.options,
            reply_settings=store.reply_settings,
            versions=store.versions,
            started=store.created.astimezone(),
            trials=tuple(store.trials()),
            verdict=store.verdict,
            is_running=is_running,
        )


def read_all(runs: Path) -> Iterator[KeptRun | tuple[RunFolder, str]]:
    """Read every run right below a folder; of one that cannot be read, its folder and what is wrong."""
    for folder in run_folder.below(runs):
        try:
            yield read(folder)
        except (RunFolderError, OSError) as error:
            yield folder, str(error)
