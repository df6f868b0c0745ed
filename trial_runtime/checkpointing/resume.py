"""Going on with a trial that was killed: when its checkpoints are written, and which is gone on from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from katib_suggestion.files.folder_lock import FolderLock
from trial_runtime.checkpointing import checkpoints
from trial_runtime.checkpointing.checkpoints import Checkpoint, CheckpointError, Plain
from trial_runtime.processes import processes
from trial_runtime.processes.processes import Processes
from trial_runtime.processes.termination import Terminated, Termination, watched

FILE = "checkpoint.pt"
"""In the output folder."""

WAIT_S = 35.0
"""How long a trial waits for another one in its output folder: more than the 30 s that a pod has to end."""


class FolderInUse(ValueError):
    """Another process writes the output folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumeOptions:
    """What `trial_runtime.command_line.add_resume_arguments` asks for."""

    every_steps: int | None
    """Steps of an epoch after which a checkpoint is written, again and again; None for that of each epoch alone."""
    fresh: bool
    """Begin anew whatever is in the output folder."""


MATTERS_NOT = frozenset({"data.data_dir", "output_dir", "is_seeded", "resume.every_steps", "resume.fresh", "device"})
"""Fields of trials that do not change what comes out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial(ABC):
    """What every trainer's command line asks for, whatever is trained; `trial_runtime.command_line` reads it."""

    output_dir: Path
    """Folder for what the trial writes."""
    seed: int
    """Everything random comes from it; drawn from the operating system where none was given."""
    is_seeded: bool
    """Whether the seed was given: otherwise a trial that is gone on with keeps its own."""
    resume: ResumeOptions
    """When checkpoints are written, and whether one is gone on from."""
    device: torch.device
    """Where this process computes."""

    @abstractmethod
    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: one of these is another trial."""


AnyTrial = TypeVar("AnyTrial", bound=Trial)


def run(trial: AnyTrial, work: Callable[[AnyTrial, Processes, Checkpoint | None], None]) -> None:
    """Run a trial with all its processes, alone in its output folder, from its checkpoint on where there is one.

    Args:
        trial: as this process was asked for it.
        work: gets the trial with the seed of all processes, the processes, joined, and the checkpoint.

    Raises:
        CheckpointError, FolderInUse, OSError, ProcessLost: see `find` and `alone_in`.
    """
    group = processes.here()
    with group.joined(trial.device), alone_in(trial.output_dir, group):
        checkpoint = find(
            trial.output_dir,
            trial.configuration(),
            options=trial.resume,
            unasked=frozenset() if trial.is_seeded else frozenset({"seed"}),
            group=group,
        )
        seed = trial.seed if checkpoint is None else checkpoint.configuration["seed"]
        assert isinstance(seed, int)
        # Without --seed each process has drawn one.
        work(replace(trial, seed=group.of_first(seed)), group, checkpoint)


@contextmanager
def alone_in(folder: Path, group: Processes) -> Iterator[None]:
    """Within, no other trial gets into the output folder; one that is ending is waited for. Each process may ask.

    Raises:
        FolderInUse: another trial goes on writing it.
    """
    lock = FolderLock(folder)
    if group.is_first and not lock.wait(WAIT_S):
        raise FolderInUse(
            f"--output-dir: {folder} is in use by another process, which goes on; end it, or take another folder"
        )
    try:
        yield
    finally:
        lock.release()


def find(
    folder: Path, asked: Mapping[str, Plain], *, options: ResumeOptions, unasked: frozenset[str], group: Processes
) -> Checkpoint | None:
    """Return the checkpoint that a trial goes on from; None if it begins. Each process must ask.

    Args:
        folder: the trial's output folder, which all processes share.
        asked: the trial's configuration.
        options: of the trial.
        unasked: fields that nobody asked for, in which the checkpoint decides.
        group: the processes of the trial.

    Raises:
        CheckpointError: it is of another configuration, damaged, or not before every process.
        OSError: the machine refuses.
        ProcessLost: another process has ended.
    """
    path = folder / FILE
    if options.fresh and group.is_first:
        path.unlink(missing_ok=True)
    found = None if options.fresh else checkpoints.read(path)
    if found is not None:
        with found.restoring():
            kept = {name: found.configuration[name] for name in unasked}
            for name, value in kept.items():
                if type(value) is not type(asked[name]):
                    raise TypeError(f"{name} is {value!r}")
        found.check({**asked, **kept})
    if group.any(found is None) and group.any(found is not None):
        raise CheckpointError(
            f"{path} is not before every process: --output-dir must be a folder that all {group.size} of them share"
        )
    return found


class Saver:
    """Writes the checkpoints of a trial, and ends it after one when SIGTERM asks for that.

    Args:
        folder: the trial's output folder.
        configuration: the trial's.
        options: of the trial.
        group: the processes of the trial; the first writes.
        termination: whether the process was asked to end.
    """

    def __init__(
        self,
        folder: Path,
        configuration: Mapping[str, Plain],
        *,
        options: ResumeOptions,
        group: Processes,
        termination: Termination,
    ) -> None:
        self._path = folder / FILE
        self._configuration = configuration
        self._options = options
        self._group = group
        self._termination = termination

    @classmethod
    @contextmanager
    def of(cls, trial: Trial, group: Processes) -> Iterator["Saver"]:
        """Within, SIGTERM no longer ends the process: the saver of the trial does, once there is a checkpoint."""
        with watched() as termination:
            yield cls(
                trial.output_dir, trial.configuration(), options=trial.resume, group=group, termination=termination
            )

    def after_step(self, step: int, state: Callable[[], Mapping[str, Any]]) -> None:
        """Write a checkpoint if it is time; each process must call this after each step.

        Args:
            step: of the epoch, counted from 1.
            state: computes what the checkpoint holds; called in every process or in none.

        Raises:
            Terminated: SIGTERM has come.
            ProcessLost: another process has ended.
        """
        every = self._options.every_steps
        is_over = self._is_asked()
        if is_over or (every is not None and step % every == 0):
            self.save(state())
        if is_over:
            self._end()

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, as is due after each epoch."""
        if self._group.is_first:
            checkpoints.write(self._path, state, self._configuration)

    def end_if_asked(self) -> None:
        """End the trial if SIGTERM asks for it; a checkpoint is written. Each process must call this.

        Raises:
            Terminated: SIGTERM has come.
            ProcessLost: another process has ended.
        """
        if self._is_asked():
            self._end()

    def _is_asked(self) -> bool:
        return self._group.any(self._termination.is_asked_for)

    def _end(self) -> None:
        raise Terminated(f"ended by SIGTERM; the same command goes on from {self._path}")
