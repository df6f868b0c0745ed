"""A trial: a search from its options to its files, that goes on where it was killed."""

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from typing import Any

from cell_networks.layout import Layout, final_map_size
from darts_trainer import construction
from darts_trainer.batch_size import largest_that_fits
from darts_trainer.config import TrainerConfig
from darts_trainer.search import records
from darts_trainer.search.loop import EpochMetrics, Search
from darts_trainer.supernet.classification import Classification
from darts_trainer.supernet.collapse import StopRule
from darts_trainer.supernet.data import SearchData
from darts_trainer.supernet.derivation import derive
from darts_trainer.supernet.epoch import Epoch, edge_weights
from darts_trainer.supernet.supernet import Supernet
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import artifacts, checkpoints, metric_lines, precision, seeds
from trial_runtime.checkpoints import Checkpoint
from trial_runtime.events import Events
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes import Processes
from trial_runtime.progress import epoch_over
from trial_runtime.resume import Saver
from trial_runtime.tally import Means

logger = logging.getLogger(__name__)


def run(trial: TrainerConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Search; after each epoch bring the files in the output folder up to date and report; report the genotype.

    Lines of earlier epochs are printed again, with their times: who reads the output of this process sees all. A search
    that is over already is reported, and nothing is searched.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that search together, joined.
        checkpoint: to go on from; of the same configuration.

    Raises:
        DatasetError: the data are not there, are broken, or do not fit the options.
        OSError: the output folder cannot be written.
        InvalidExperiment: settings and data do not fit.
        MemoryError: no batch fits.
        CheckpointError: the data are others than those of the checkpoint.
        TrainingDiverged: a loss is not finite.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    if checkpoint is not None and _has_ended(trial, checkpoint):
        if group.is_first:
            _report_again(trial, checkpoint)
        return
    with Saver.of(trial, group) as saver:
        epochs = _Trial(trial, group, saver, checkpoint).run()
    if group.is_first:
        _report_genotype(trial, epochs)


class _Trial:
    """A search with what it has found so far."""

    def __init__(self, trial: TrainerConfig, group: Processes, saver: Saver, checkpoint: Checkpoint | None) -> None:
        images = trial.data.load(seeds.generator(trial.seed, "subset"))
        self._trial = trial
        self._group = group
        self._saver = saver
        self._images = images.summary()
        self._data = SearchData.of(
            images,
            self._batch_size(images, checkpoint),
            train_portion=trial.data.train_portion,
            cutout=trial.data.cutout,
            device=trial.device,
            seed=trial.seed,
            processes=group,
        )
        layout = construction.layout_of(trial, images)
        _check_size(layout, images, self._data.batch_size, group.size)
        self._supernet = _supernet(trial, layout)
        if group.is_first:
            artifacts.prepare_folder(trial.output_dir)
        self._stop_rule = StopRule(
            at_skips=trial.variants.stop_at_skips,
            when_stable=trial.variants.stop_when_stable,
            primitives=trial.primitives,
        )
        self._search = Search(
            Classification(self._supernet, self._data, replays=trial.replays(group.size)),
            trial.settings,
            order=trial.order,
            alpha_warmup_epochs=trial.variants.alpha_warmup_epochs,
            after_step=lambda search: saver.after_step(search.step, self._state),
        )
        self._epochs: list[Epoch] = []
        self._stopped: str | None = None
        if checkpoint is not None:
            with checkpoint.restoring():
                checkpoint.check_part("images", self._images)
                self._load(checkpoint.state)
            logger.info("goes on from %s: epoch %d, step %d", checkpoint.path, len(self._epochs) + 1, self._search.step)

    def run(self) -> list[Epoch]:
        """Search on to the end; return all epochs."""
        if self._epochs and self._group.is_first:
            self._write()
            for epoch in self._epochs:
                records.report(epoch)
        with self._events() as events:
            for metrics in self._search:
                is_last = self._end_epoch(metrics, events)
                if is_last:
                    break
                self._saver.end_if_asked()
        return self._epochs

    def _batch_size(self, images: ImageDataset, checkpoint: Checkpoint | None) -> int:
        """Where the choice is left to this program, that of the process before: another memory may be free now."""
        before = None
        if checkpoint is not None:
            with checkpoint.restoring():
                before = int(checkpoint.state["record"]["batch_size"])
        return self._trial.settings.batch_size or before or largest_that_fits(self._trial, images, self._group)

    def _events(self) -> AbstractContextManager[Events | None]:
        if not self._group.is_first:
            return nullcontext()
        return closing(Events(self._trial.output_dir / "tensorboard", first_step=len(self._epochs) + 1))

    def _end_epoch(self, metrics: EpochMetrics[Means], events: Events | None) -> bool:
        """Keep what an epoch has come to, and tell of it; return whether the search is over.

        In an order by which a kill at any instant leaves nothing out: files and lines can be made again from the
        checkpoint, and events before it are void until it is there.
        """
        mixtures = self._supernet.mixtures()
        found = derive(*mixtures, self._trial.primitives, self._trial.settings.num_nodes)
        if metrics.epoch > self._trial.variants.alpha_warmup_epochs:
            self._stopped = self._stop_rule.reason(found, mixtures)
        epoch = Epoch.of(metrics, self._supernet, found)
        self._epochs.append(epoch)
        if events is not None:
            records.write_events(events, epoch, edge_weights(self._supernet))
            records.write_alphas(self._trial.output_dir, metrics.epoch, edge_weights(self._supernet))
        self._saver.save(self._state())
        if self._group.is_first:
            self._write()
            records.report(epoch)
        self._log(metrics)
        return _is_over(self._epochs, self._stopped, self._trial)

    def _log(self, metrics: EpochMetrics[Means]) -> None:
        num_epochs = self._trial.settings.num_epochs
        if self._stopped is not None:
            logger.info("stopped after epoch %d of %d: %s", metrics.epoch, num_epochs, self._stopped)
            return
        logger.info(epoch_over(metrics.epoch, num_epochs, metrics.seconds, metrics.examples_per_second))

    def _state(self) -> dict[str, Any]:
        return {
            "search": self._search.state_dict(),
            "stop_rule": self._stop_rule.state_dict(),
            "stopped": self._stopped,
            "epochs": [asdict(epoch) for epoch in self._epochs],
            "images": self._images,
            "record": self._record(),
            "random": checkpoints.random_states(),
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        self._search.load_state_dict(state["search"])
        self._stop_rule.load_state_dict(state["stop_rule"])
        self._epochs = _epochs(state)
        checkpoints.restore_random_states(state["random"])

    def _write(self) -> None:
        records.write(self._trial.output_dir, self._epochs, choice=self._trial.genotype, search=self._record())

    def _record(self) -> dict[str, object]:
        """What ``genotype.json`` says of the search itself."""
        trial = self._trial
        return {
            "settings": asdict(trial.settings),
            "batch_size": self._data.batch_size,
            "search_space": list(trial.search_space),
            "num_layers": trial.num_layers,
            "order": trial.order,
            "precision": trial.precision,
            "compiled": trial.compile,
            "variants": asdict(trial.variants),
            "stopped": self._stopped,
            **trial.data.record(),
            "seed": trial.seed,
            "device": str(trial.device),
            "processes": self._group.size,
            "versions": artifacts.versions(),
        }


def _has_ended(trial: TrainerConfig, checkpoint: Checkpoint) -> bool:
    with checkpoint.restoring():
        return _is_over(_epochs(checkpoint.state), checkpoint.state["stopped"], trial)


def _report_again(trial: TrainerConfig, checkpoint: Checkpoint) -> None:
    """Print what a search that is over has printed, and see to it that its files are there."""
    logger.info("this search is over, and its result is printed again from %s", checkpoint.path)
    with checkpoint.restoring():
        epochs = _epochs(checkpoint.state)
        records.write(trial.output_dir, epochs, choice=trial.genotype, search=checkpoint.state["record"])
    for epoch in epochs:
        records.report(epoch)
    _report_genotype(trial, epochs)


def _report_genotype(trial: TrainerConfig, epochs: Sequence[Epoch]) -> None:
    metric_lines.report({"Best-Genotype": records.chosen(epochs, trial.genotype).genotype})


def _epochs(state: Mapping[str, Any]) -> list[Epoch]:
    return [checkpoints.restored(Epoch, epoch) for epoch in state["epochs"]]


def _is_over(epochs: Sequence[Epoch], stopped: str | None, trial: TrainerConfig) -> bool:
    return stopped is not None or len(epochs) == trial.settings.num_epochs


def _supernet(trial: TrainerConfig, layout: Layout) -> Supernet:
    precision.settle(trial.device)
    supernet = construction.supernet_of(trial, layout, seeds.generator(trial.seed, "supernet"))
    if trial.compile:
        supernet.compile_cells()
    num_weights = sum(weight.numel() for weight in supernet.weights())
    logger.info("%d layers, %d weights, on %s, seed %d", layout.num_layers, num_weights, trial.device, trial.seed)
    return supernet


def _check_size(layout: Layout, images: ImageDataset, batch_size: int, num_processes: int) -> None:
    """Refuse a batch whose norms would see a single value a channel, which has no spread, or in some process none."""
    if batch_size < num_processes:
        allowed = f"each of the {num_processes} processes needs an image: it must be at least {num_processes}"
        raise InvalidExperiment("batch_size", batch_size, allowed)
    _, height, width = images.image_shape
    if batch_size // num_processes * math.prod(final_map_size(layout.num_layers, (height, width))) == 1:
        least = "2" if num_processes == 1 else f"{2 * num_processes} with {num_processes} processes"
        end = f"images of {height}x{width} end as one pixel after {layout.num_layers} layers"
        allowed = f"{end}: it must be at least {least}"
        raise InvalidExperiment("batch_size", batch_size, allowed)
