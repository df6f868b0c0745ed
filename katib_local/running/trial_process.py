"""A trial as a process of this machine, with a folder of its own."""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from katib_local.manifest import metrics_source, relocation, template
from katib_local.manifest.experiment import Experiment
from katib_local.manifest.images import program_dir
from katib_local.record.options import Options
from katib_local.record.run_folder import RunFolder
from katib_local.record.trial_folder import EXIT_CODE, LOG, METRICS, STOPPED, SUGGESTION, WORK
from katib_local.record.trials import Trial
from katib_local.running import leftovers, trial_environment
from katib_local.running.gpus import Gpus
from katib_suggestion.files import durable_files
from katib_suggestion.files.result_files import ARTIFACTS

STOP_TIMEOUT_S = 5.0
"""How long trials may take to end after SIGTERM before they are killed."""

EARLY_STOP_TIMEOUT_S = 60.0
"""The same of one that is stopped early: so long Katib's collector waits for it."""

MAX_OUTPUT_BYTES = 2**30
"""Most that a trial may print: one that floods its output must not fill the disk."""


class TrialProcess:
    """A running trial.

    Args:
        name: of the trial.
        process: the leader of a process group, marked by the folder.
        folder: of the trial.
        deadline_s: how long it may run; None for ever.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], folder: Path, deadline_s: int | None) -> None:
        self.name = name
        self._process = process
        self.folder = folder
        self._deadline_s = deadline_s
        self._started_s = time.monotonic()
        self._stopped_s: float | None = None
        """When it was told to stop early."""

    def poll(self) -> int | None:
        """Return the exit code, 128 + N after signal N as shells count it; None while the trial runs."""
        if not self._is_over():
            return None
        # What a program leaves in the background must not compete with the next trial.
        self.kill()
        # Who finds the exit code after a loss of power collects metrics from these.
        for name in (LOG, METRICS):
            with contextlib.suppress(OSError):
                durable_files.synchronise(self.folder / name)
        durable_files.write(self.folder / EXIT_CODE, f"{self.exit_code}\n".encode())
        return self.exit_code

    @property
    def exit_code(self) -> int | None:
        """The exit code, as `poll` counts it; None before the end is noticed."""
        code = self._process.returncode
        return 128 - code if code is not None and code < 0 else code

    def _is_over(self) -> bool:
        """Whether the trial has ended; one that is stopped early may take its time to come to a good end."""
        has_ended = self._process.poll() is not None
        if self._stopped_s is None:
            return has_ended
        # A shell may have ended at once, but not yet what it was waiting for.
        if has_ended and not leftovers.in_group(self.folder, self._process.pid):
            return True
        if time.monotonic() < self._stopped_s + EARLY_STOP_TIMEOUT_S:
            return False
        self.kill()
        self.reap()
        return True

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop early."""
        return self._stopped_s is not None

    def stop_early(self) -> None:
        """Ask the trial to end, for its rules: by a file of its folder anybody knows it was."""
        durable_files.write(self.folder / STOPPED, b"")
        self._stopped_s = time.monotonic()
        self.terminate()

    def excess(self) -> str | None:
        """Say what the trial has too much of, and has to be stopped for; None where all is well."""
        if self._deadline_s is not None and time.monotonic() - self._started_s > self._deadline_s:
            return f"it ran longer than activeDeadlineSeconds, {self._deadline_s}"
        log = self.folder / LOG
        if log.is_file() and log.stat().st_size > MAX_OUTPUT_BYTES:
            return f"it printed more than {MAX_OUTPUT_BYTES} bytes"
        return None

    def terminate(self) -> bool:
        """Ask all that belongs to the trial to end; tell whether anything does."""
        return leftovers.signal_group(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End all that belongs to the trial, also what has left its process group."""
        leftovers.signal_group(self._process.pid, signal.SIGKILL)
        leftovers.end(self.folder)

    def has_ended(self) -> bool:
        """Tell whether nothing of the trial's process group runs any more."""
        self._process.poll()
        return not leftovers.signal_group(self._process.pid, 0)

    def wait(self) -> int:
        """Wait for the end and return the exit code, as `poll` does."""
        self._process.wait()
        code = self.poll()
        assert code is not None
        return code

    def reap(self) -> None:
        """Wait for the end of a trial that was killed."""
        self._process.wait()


def launch(experiment: Experiment, trial: Trial, run: RunFolder, options: Options, gpus: Gpus) -> TrialProcess | None:
    """Start a trial; None where it has to wait until a device is free.

    Raises:
        TrialError: the template cannot be filled in with its assignments.
        OSError: the machine does not let the process start.
    """
    container = template.render(experiment.template, trial.name, experiment.namespace, trial.assignments)
    own_devices = gpus.take(trial.name, container.num_gpus)
    if own_devices is None:
        return None
    folder = run.trial(trial.name)
    leftovers.end(folder)
    program = program_dir(container.image, options.images)
    _prepare(folder, program)
    container = relocation.to_program(container, program)
    if experiment.collector.path is not None:
        (folder / METRICS).mkdir()
        # Relative to the working directory: no blank or quote of the folder's own path gets into the command.
        container = relocation.relocate(container, metrics_source.folder(experiment.collector.path), f"../{METRICS}")
    if experiment.suggestion_trial_dir is not None:
        (folder / SUGGESTION).mkdir(exist_ok=True)
        container = relocation.relocate(container, experiment.suggestion_trial_dir, f"../{SUGGESTION}")
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            container.argv,
            cwd=folder / WORK,
            env={**trial_environment.of(container, trial, folder, experiment.parallel_trials, options), **own_devices},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return TrialProcess(trial.name, process, folder, container.deadline_s)


def stop(processes: Iterable[TrialProcess]) -> None:
    """End trials: SIGTERM to all that belongs to them, and SIGKILL to what is left after `STOP_TIMEOUT_S`."""
    processes = list(processes)
    running = [item for item in processes if item.terminate()]
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while running and time.monotonic() < deadline:
        time.sleep(0.02)
        running = [item for item in running if not item.has_ended()]
    for item in processes:
        item.kill()
    for item in processes:
        item.reap()


def _prepare(folder: Path, program: Path) -> None:
    """Make a trial's folder; of an earlier, interrupted start only what the trial keeps is kept."""
    for name in (WORK, METRICS):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (EXIT_CODE, STOPPED):
        (folder / name).unlink(missing_ok=True)
    for name in (WORK, ARTIFACTS):
        durable_files.make_folder(folder / name)
    for entry in program.iterdir():
        if entry.name != "__pycache__":
            (folder / WORK / entry.name).symlink_to(entry.absolute())
