"""A training of a found network from its options to its files, that goes on where it was killed."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from typing import Any, Protocol

from torch import nn

from trial_runtime import seeds
from trial_runtime.checkpointing import checkpoints
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.checkpointing.resume import Saver
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import BeyondBudget
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.reporting.events import Events
from trial_runtime.reporting.progress import epoch_over
from trial_runtime.retraining import metric_names, records
from trial_runtime.retraining.asked import Trial
from trial_runtime.retraining.data import RetrainData
from trial_runtime.retraining.training import EpochMetrics, Learner, Retraining
from trial_runtime.trained.classifier import Predictor
from trial_runtime.trained.files import NETWORK_FILE, WEIGHTS_FILE

logger = logging.getLogger(__name__)


class Subject(Protocol):
    """A network that is to be trained."""

    @property
    def network(self) -> nn.Module:
        """Images to logits; on the trial's device."""

    @property
    def learner(self) -> Learner:
        """What the network makes of a batch while it learns."""

    @property
    def cost(self) -> Mapping[str, int]:
        """Its parameters and multiply-adds, by the names of the metrics."""

    def save(self, trained: Predictor, record: Mapping[str, object]) -> None:
        """Write the trained network with what there is to say about it."""


Make = Callable[[ImageDataset, int], Subject]
"""Makes the subject for some images and a number of images in a step; refuses what does not fit."""


def run(trial: Trial, group: Processes, checkpoint: Checkpoint | None, make: Make) -> None:
    """Train; report each epoch, classify the test images if they are due, and write the network.

    Lines of earlier epochs are printed again, with their times: who reads the output of this process sees all.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.
        checkpoint: to go on from; of the same configuration.
        make: see `Make`; what it raises, this raises.

    Raises:
        DatasetError: the data are not there, are broken, or do not fit the options.
        CheckpointError: the data are others than those of the checkpoint.
        OSError: the output folder cannot be written.
        TrainingDiverged: a loss is not finite.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    with Saver.of(trial, group) as saver:
        try:
            retrained = _Trial(trial, group, saver, make)
        except BeyondBudget as beyond:
            network_budget.report_untrained(beyond, trial.allowance, _names(trial), group)
            return
        if checkpoint is not None:
            retrained.load(checkpoint)
        retrained.run()


class _Trial:
    """A training with what it has come to so far."""

    def __init__(self, trial: Trial, group: Processes, saver: Saver, make: Make) -> None:
        self._trial = trial
        self._group = group
        self._saver = saver
        self._images = images = trial.data.load(seeds.generator(seeds.COMMON_SEED, "subset"))
        # Loaded now, so that test images that are missing are missed before the training and not after it.
        self._test_images = trial.data.load_test(images) if trial.data.train_portion == 1 else None
        self._data = RetrainData.of(
            images,
            trial.settings.batch_size,
            train_portion=trial.data.train_portion,
            cutout=trial.data.cutout,
            device=trial.device,
            seed=trial.seed,
            processes=group,
        )
        self._subject = make(images, self._data.batch_size)
        self._cost = network_budget.reported(
            self._subject.cost,
            trial.allowance,
            group,
            lambda: network_budget.latency_ms(self._subject.network, images.image_shape, trial.device),
        )
        logger.info(
            "%d parameters, %d multiply-adds, on %s, seed %d",
            self._subject.cost[metric_names.PARAMETERS], self._subject.cost[metric_names.MACS],
            trial.device, trial.seed,
        )  # fmt: skip
        if group.is_first:
            artifacts.prepare_folder(trial.output_dir)
        self._training = Retraining(
            self._subject.network,
            self._subject.learner,
            self._data,
            trial.settings,
            generator=seeds.generator(trial.seed, "paths"),
            after_step=lambda training: saver.after_step(training.step, self._state),
        )
        self._epochs: list[dict[str, Any]] = []
        self._kept: dict[str, Any] | None = None
        """The network of the epoch that validated best so far; None where that of the last is the result."""

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        with checkpoint.restoring():
            checkpoint.check_part("images", self._images.summary())
            self._training.load_state_dict(checkpoint.state["training"])
            self._epochs = [_epoch(epoch) for epoch in checkpoint.state["epochs"]]
            self._kept = checkpoint.state.get("kept")  # those of 0.1.0 have none
            checkpoints.restore_random_states(checkpoint.state["random"])
        logger.info("goes on from %s: epoch %d, step %d", checkpoint.path, len(self._epochs) + 1, self._training.step)

    def run(self) -> None:
        """Train on to the end, and write what has become of the network."""
        self._report(self._cost)
        for epoch in self._epochs:
            self._report(epoch["metrics"], epoch=epoch["epoch"], time=epoch["time"])
        with self._events() as events:
            for metrics in self._training:
                self._end_epoch(metrics, events)
                self._saver.end_if_asked()
        if self._group.is_first:
            records.write(self._trial.output_dir, self._epochs)
        if self._kept is not None:
            self._subject.network.load_state_dict(self._kept)
        result = {**records.chosen(self._epochs, self._trial.keep)["metrics"], **self._test()}
        if self._group.is_first:
            self._write(result)

    def _events(self) -> AbstractContextManager[Events | None]:
        if not self._group.is_first:
            return nullcontext()
        return closing(Events(self._trial.output_dir / "tensorboard", first_step=len(self._epochs) + 1))

    def _end_epoch(self, metrics: EpochMetrics, events: Events | None) -> None:
        """Keep what an epoch has come to, and tell of it."""
        named, now = _named(metrics), metric_lines.now()
        epoch: dict[str, Any] = {"epoch": metrics.epoch, "time": now, "metrics": named}
        self._epochs.append(epoch)
        if self._trial.keep != records.LAST and records.chosen(self._epochs, self._trial.keep) is epoch:
            self._kept = {name: tensor.clone() for name, tensor in self._subject.network.state_dict().items()}
        if events is not None:
            records.write_events(events, epoch, self._trial.settings.rate(metrics.epoch))
        self._saver.save(self._state())
        if self._group.is_first:
            records.write(self._trial.output_dir, self._epochs)
        self._report(named, epoch=metrics.epoch, time=now)
        self._log(metrics)

    def _test(self) -> dict[str, float]:
        if self._test_images is None:
            return {}
        batches = self._data.to_classify(self._test_images, self._trial.device)
        loss, accuracy = self._training.classify(batches, "test")
        tested = {metric_names.TEST_LOSS: loss, metric_names.TEST_ACCURACY: accuracy}
        self._report(tested)
        return tested

    def _report(self, metrics: Mapping[str, float], *, epoch: int | None = None, time: str | None = None) -> None:
        if self._group.is_first:
            metric_lines.report(metrics, epoch=epoch, time=time)

    def _log(self, metrics: EpochMetrics) -> None:
        num_epochs = self._trial.settings.num_epochs
        logger.info(epoch_over(metrics.epoch, num_epochs, metrics.seconds, metrics.images_per_second))

    def _state(self) -> dict[str, Any]:
        return {
            "training": self._training.state_dict(),
            "epochs": self._epochs,
            "kept": self._kept,
            "images": self._images.summary(),
            "random": checkpoints.random_states(),
        }

    def _write(self, result: Mapping[str, float]) -> None:
        trial = self._trial
        record = {
            "metrics": result,
            "kept": trial.keep,
            "epoch": records.chosen(self._epochs, trial.keep)["epoch"],
            "epochs": self._epochs,
            "parameters": self._subject.cost[metric_names.PARAMETERS],
            "multiply_adds": self._subject.cost[metric_names.MACS],
            **network_budget.latency_record(self._cost),
            "settings": asdict(trial.settings) | {"batch_size": self._data.batch_size},
            **trial.data.record(),
            "num_images": self._num_images(),
            "precision": trial.precision,
            "seed": trial.seed,
            "device": str(trial.device),
            "processes": self._group.size,
            "versions": artifacts.versions(),
        }
        images = self._images
        trained = Predictor(self._subject.network, self._data.normalisation, images.image_shape, images.class_names)
        self._subject.save(trained, record)
        logger.info("wrote %s and %s to %s", WEIGHTS_FILE, NETWORK_FILE, trial.output_dir)

    def _num_images(self) -> dict[str, int]:
        held_out = self._data.num_held_out
        test = 0 if self._test_images is None else len(self._test_images)
        return {"training": len(self._images) - held_out, "held_out": held_out, "test": test}


def _names(trial: Trial) -> tuple[str, ...]:
    """All metrics that a training would have reported."""
    if trial.data.train_portion < 1:
        return (*metric_names.TRAINING, *metric_names.VALIDATION)
    return (*metric_names.TRAINING, metric_names.TEST_LOSS, metric_names.TEST_ACCURACY)


def _epoch(found: Mapping[str, Any]) -> dict[str, Any]:
    """Check what a checkpoint holds of an epoch."""
    metrics = {str(name): float(value) for name, value in found["metrics"].items()}
    return {"epoch": int(found["epoch"]), "time": str(found["time"]), "metrics": metrics}


def _named(metrics: EpochMetrics) -> dict[str, float]:
    named = dict(zip(metric_names.TRAINING, (metrics.training.loss, metrics.training.accuracy), strict=True))
    if metrics.validation is None:
        return named
    return named | dict(
        zip(metric_names.VALIDATION, (metrics.validation.loss, metrics.validation.accuracy), strict=True)
    )
