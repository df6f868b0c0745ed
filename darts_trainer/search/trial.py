"""A search from its options to its files, whichever kind of network is searched; it goes on where it was killed."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from typing import Any, Generic, Protocol, TypeVar

from darts_trainer import metric_names
from darts_trainer.search import records
from darts_trainer.search.asked import SearchConfig
from darts_trainer.search.loop import EpochMetrics, Search
from darts_trainer.search.records import AnyEpoch, EdgeWeight, Epoch
from trial_runtime.checkpointing import checkpoints
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.checkpointing.resume import Saver
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.reporting.events import Events
from trial_runtime.reporting.progress import epoch_over

Measures = TypeVar("Measures")
Kept = TypeVar("Kept", bound=Epoch, covariant=True)
"""What an epoch is described by."""

logger = logging.getLogger(__name__)


AfterStep = Callable[[Search[Any]], None]
"""Called after each step of a search."""


class Subject(Protocol[Measures, Kept]):
    """What is searched: a network on its data, and what is kept of it."""

    examples: str
    """What the network learns from, for messages."""
    stopped: str | None
    """Why the search is over before its last epoch; None where it is not."""

    def search(self, after_step: AfterStep) -> Search[Measures]:
        """Return the search, before its first epoch."""

    def end_epoch(self, metrics: EpochMetrics[Measures]) -> Kept:
        """Describe the epoch that has just ended, and decide whether the search has."""

    def edge_weights(self) -> Iterable[EdgeWeight]:
        """Return how much each operation counts on each edge."""

    def remarks(self, scores: Sequence[float]) -> tuple[str, ...]:
        """Return what shows at the end that nothing was learned, given how good the network was after each epoch."""

    def record(self) -> dict[str, object]:
        """Return what ``genotype.json`` says of the search itself."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds beside the search and the epochs."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take that from a checkpoint.

        Raises:
            CheckpointError: the data are others.
        """


def run(
    trial: SearchConfig,
    group: Processes,
    checkpoint: Checkpoint | None,
    *,
    epoch_type: type[AnyEpoch],
    make: Callable[[], Subject[Any, AnyEpoch]],
) -> None:
    """Search; after each epoch bring the files in the output folder up to date and report; report the genotype.

    Lines of earlier epochs are printed again, with their times: who reads the output of this process sees all. A search
    that is over already is reported, and nothing is searched.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that search together, joined.
        checkpoint: to go on from; of the same configuration.
        epoch_type: what an epoch is described by.
        make: makes what is searched; called unless the search is over.

    Raises:
        OSError: the output folder cannot be written.
        CheckpointError: the data are others than those of the checkpoint.
        TrainingDiverged: a loss is not finite.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    if checkpoint is not None and _has_ended(trial, checkpoint, epoch_type):
        if group.is_first:
            _report_again(trial, checkpoint, epoch_type)
        return
    with Saver.of(trial, group) as saver:
        running = _Running(trial, group, saver, make(), epoch_type)
        if checkpoint is not None:
            running.restore(checkpoint)
        epochs = running.run()
    if group.is_first:
        _report_genotype(trial, epochs)


class _Running(Generic[Measures, AnyEpoch]):
    """A search with what it has found so far."""

    def __init__(
        self,
        trial: SearchConfig,
        group: Processes,
        saver: Saver,
        subject: Subject[Measures, AnyEpoch],
        epoch_type: type[AnyEpoch],
    ) -> None:
        self._trial = trial
        self._group = group
        self._saver = saver
        self._subject = subject
        self._epoch_type = epoch_type
        if group.is_first:
            artifacts.prepare_folder(trial.output_dir)
        self._search = subject.search(lambda search: saver.after_step(search.step, self._state))
        self._epochs: list[AnyEpoch] = []

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        with checkpoint.restoring():
            self._subject.restore(checkpoint)
            self._search.load_state_dict(checkpoint.state["search"])
            self._epochs = _epochs(checkpoint.state, self._epoch_type)
            checkpoints.restore_random_states(checkpoint.state["random"])
        logger.info("goes on from %s: epoch %d, step %d", checkpoint.path, len(self._epochs) + 1, self._search.step)

    def run(self) -> list[AnyEpoch]:
        """Search on to the end; return all epochs."""
        if self._epochs and self._group.is_first:
            self._write()
            for epoch in self._epochs:
                records.report(epoch)
        with self._events() as events:
            for metrics in self._search:
                self._end_epoch(metrics, events)
                if _is_over(self._epochs, self._subject.stopped, self._trial):
                    break
                self._saver.end_if_asked()
        return self._epochs

    def _events(self) -> AbstractContextManager[Events | None]:
        if not self._group.is_first:
            return nullcontext()
        return closing(Events(self._trial.output_dir / "tensorboard", first_step=len(self._epochs) + 1))

    def _end_epoch(self, metrics: EpochMetrics[Measures], events: Events | None) -> None:
        """Keep what an epoch has come to, and tell of it.

        In an order by which a kill at any instant leaves nothing out: files and lines can be made again from the
        checkpoint, and events before it are void until it is there.
        """
        epoch = self._subject.end_epoch(metrics)
        self._epochs.append(epoch)
        if events is not None:
            records.write_events(events, epoch, self._subject.edge_weights())
            records.write_alphas(self._trial.output_dir, metrics.epoch, self._subject.edge_weights())
        self._saver.save(self._state())
        if self._group.is_first:
            self._write()
            records.report(epoch)
        self._log(metrics)

    def _log(self, metrics: EpochMetrics[Measures]) -> None:
        num_epochs, stopped = self._trial.num_epochs, self._subject.stopped
        if stopped is not None:
            logger.info("stopped after epoch %d of %d: %s", metrics.epoch, num_epochs, stopped)
        else:
            speed, examples = metrics.examples_per_second, self._subject.examples
            logger.info(epoch_over(metrics.epoch, num_epochs, metrics.seconds, speed, examples))
        if self._group.is_first:
            for remark in self._remarks():
                logger.warning("%s", remark)

    def _remarks(self) -> tuple[str, ...]:
        """None before the end."""
        if not _is_over(self._epochs, self._subject.stopped, self._trial):
            return ()
        return self._subject.remarks([epoch.validation_score for epoch in self._epochs])

    def _record(self) -> dict[str, object]:
        return {**self._subject.record(), "remarks": list(self._remarks())}

    def _state(self) -> dict[str, Any]:
        return {
            "search": self._search.state_dict(),
            "stopped": self._subject.stopped,
            "epochs": [asdict(epoch) for epoch in self._epochs],
            **self._subject.state_dict(),
            "record": self._record(),
            "random": checkpoints.random_states(),
        }

    def _write(self) -> None:
        records.write(self._trial.output_dir, self._epochs, choice=self._trial.genotype, search=self._record())


def _has_ended(trial: SearchConfig, checkpoint: Checkpoint, epoch_type: type[AnyEpoch]) -> bool:
    with checkpoint.restoring():
        return _is_over(_epochs(checkpoint.state, epoch_type), checkpoint.state["stopped"], trial)


def _report_again(trial: SearchConfig, checkpoint: Checkpoint, epoch_type: type[AnyEpoch]) -> None:
    """Print what a search that is over has printed, and see to it that its files are there."""
    logger.info("this search is over, and its result is printed again from %s", checkpoint.path)
    with checkpoint.restoring():
        epochs = _epochs(checkpoint.state, epoch_type)
        records.write(trial.output_dir, epochs, choice=trial.genotype, search=checkpoint.state["record"])
    for epoch in epochs:
        records.report(epoch)
    _report_genotype(trial, epochs)


def _report_genotype(trial: SearchConfig, epochs: Sequence[AnyEpoch]) -> None:
    metric_lines.report({metric_names.BEST_GENOTYPE: records.chosen(epochs, trial.genotype).genotype})


def _epochs(state: Mapping[str, Any], epoch_type: type[AnyEpoch]) -> list[AnyEpoch]:
    return [checkpoints.restored(epoch_type, epoch) for epoch in state["epochs"]]


def _is_over(epochs: Sequence[AnyEpoch], stopped: str | None, trial: SearchConfig) -> bool:
    return stopped is not None or len(epochs) == trial.num_epochs
