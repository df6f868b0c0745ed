"""A trial: the training of one architecture from its options to its files, that goes on where it was killed."""

import logging
from dataclasses import asdict
from typing import Any

from enas_trainer import epochs, metric_names
from enas_trainer.architecture import loading
from enas_trainer.batch_size import MIN_IMAGES, check_batch_size
from enas_trainer.epochs import Epoch
from enas_trainer.images import children
from enas_trainer.images.asked import Trial
from enas_trainer.images.train import EpochMetrics, Training
from enas_trainer.sharing import shared_weights
from enas_trainer.sharing.shared_weights import Loan
from trial_runtime import seeds
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.checkpointing.resume import Saver
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import BeyondBudget
from trial_runtime.costs.network_cost import multiply_adds
from trial_runtime.devices import precision
from trial_runtime.images import datasets
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import DatasetError, ImageDataset
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.reporting.progress import epoch_over

logger = logging.getLogger(__name__)


def run(trial: Trial, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Build the network, train it, report each epoch and keep ``architecture.json`` in the output folder up to date.

    Lines of epochs before the checkpoint are printed again, with their times: who reads the output of this process sees
    all of them.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.
        checkpoint: to go on from; of the same configuration.

    Raises:
        InvalidNetwork: architecture, nn_config and data do not fit.
        DatasetError: the data are not there, are broken, or do not fit the options.
        CommandLineError: the batch is too small for so many processes.
        CheckpointError: the data are others than those of the checkpoint.
        OSError: the output folder cannot be written.
        TrainingDiverged: a loss is not finite.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    with Saver.of(trial, group) as saver:
        try:
            running = _Run(trial, group, saver, checkpoint)
        except BeyondBudget as beyond:
            network_budget.report_untrained(beyond, trial.allowance, metric_names.EPOCH, group)
        else:
            running.run()


class _Run:
    """A training with what it has come to so far."""

    def __init__(self, trial: Trial, group: Processes, saver: Saver, checkpoint: Checkpoint | None) -> None:
        self._trial = trial
        self._group = group
        self._saver = saver
        check_batch_size(trial.settings.batch_size, group)
        images = trial.data.load(seeds.generator(seeds.COMMON_SEED, "subset"))
        trial.network.check_data(images.image_shape, images.num_classes)
        precision.settle(trial.device)
        training_images, validation_images = divide(images, trial.data.train_portion, group.size)
        self._child = children.build(trial.network, seeds.generator(trial.seed, "weights"), precision=trial.precision)
        self._cost: dict[str, float] = {
            metric_names.PARAMETERS: self._child.num_parameters,
            metric_names.MACS: multiply_adds(self._child, images.image_shape),
        }
        self._cost = network_budget.reported(
            self._cost,
            trial.allowance,
            group,
            lambda: network_budget.latency_ms(self._child, images.image_shape, trial.device),
        )
        self._images = images.summary()
        self._loan = self._borrow(training_images, checkpoint)
        normalisation = Normalisation.of(training_images)
        self._batches = _batches(training_images, normalisation, trial, group, training=True)
        self._training = Training(
            self._child.to(trial.device),
            self._batches,
            _batches(validation_images, normalisation, trial, group, training=False),
            trial.settings,
            objective=children.objective(
                self._child, trial.network, generator=seeds.generator(trial.seed, "paths"), batches=self._batches
            ),
            after_step=lambda training: saver.after_step(training.step, self._state),
        )
        self._epochs: list[Epoch[EpochMetrics]] = []
        logger.info("%d layers, on %s, seed %d", trial.network.num_layers, trial.device, trial.seed)
        if checkpoint is not None:
            with checkpoint.restoring():
                checkpoint.check_part("images", self._images)
                self._training.load_state_dict(checkpoint.state["training"])
                self._epochs = epochs.restored(EpochMetrics, checkpoint.state["epochs"])
            step = self._training.step
            logger.info("goes on from %s: epoch %d, step %d", checkpoint.path, len(self._epochs) + 1, step)

    def run(self) -> None:
        """Train on to the end."""
        if self._group.is_first:
            self._write()  # a folder that refuses does so before the work
            metric_lines.report(self._cost)
            for epoch in self._epochs:
                epoch.report(metric_names.EPOCH)
        for metrics in self._training:
            self._end_epoch(metrics)
            if metrics.epoch < self._trial.settings.num_epochs:
                self._saver.end_if_asked()
        if self._loan is not None and self._group.is_first:
            steps = self._trial.settings.num_epochs * len(self._batches)
            shared_weights.give_back(self._loan, self._child, steps)

    def _borrow(self, training_images: ImageDataset, checkpoint: Checkpoint | None) -> Loan | None:
        """Put a bank's weights into the child, unless they are in the checkpoint, as the training has changed them."""
        if self._trial.shared_weights is None:
            return None
        kind = children.sizes(self._trial.network) | {
            "dataset": training_images.name,
            "training_images": len(training_images),
        }
        data = [training_images.images_nchw, training_images.labels_n]
        folder = shared_weights.folder_for(self._trial.shared_weights, kind, training_images.name, data)
        if checkpoint is not None:
            with checkpoint.restoring():
                return Loan.resumed(checkpoint.state["loan"], folder)
        return shared_weights.borrow(self._child, folder, self._group)

    def _end_epoch(self, metrics: EpochMetrics) -> None:
        """Keep what an epoch has come to, then tell of it: what a kill leaves out is made again from the checkpoint."""
        epoch = Epoch.over(metrics)
        self._epochs.append(epoch)
        self._saver.save(self._state())
        if self._group.is_first:
            self._write()
            epoch.report(metric_names.EPOCH)
        num_epochs = self._trial.settings.num_epochs
        logger.info(epoch_over(metrics.epoch, num_epochs, metrics.seconds, metrics.images_per_second))

    def _state(self) -> dict[str, Any]:
        return {
            "training": self._training.state_dict(),
            "epochs": [asdict(epoch) for epoch in self._epochs],
            "images": self._images,
            "loan": None if self._loan is None else self._loan.state(),
        }

    def _write(self) -> None:
        trial = self._trial
        record = {
            **trial.record(),
            "parameters": self._cost[metric_names.PARAMETERS],
            "multiply_adds": self._cost[metric_names.MACS],
            **network_budget.latency_record(self._cost),
            "epochs": [epoch.record(metric_names.EPOCH) for epoch in self._epochs],
            **children.record(trial.network),
            "training": asdict(trial.settings),
            **trial.data.record(),
            "processes": self._group.size,
        }
        artifacts.write_json(trial.output_dir / loading.RECORD, record)


def divide(images: ImageDataset, train_portion: float, num_processes: int = 1) -> tuple[ImageDataset, ImageDataset]:
    """Return the images to train on and those to validate on, which are held out; the same in each trial of a search.

    Raises:
        DatasetError: there are too few.
    """
    validation, training = datasets.split(images, 1 - train_portion, seeds.generator(seeds.COMMON_SEED, "validation"))
    if len(training) < MIN_IMAGES * num_processes:
        allowed = f"of {len(images)} images it must leave at least {MIN_IMAGES * num_processes} to train on"
        raise DatasetError("train_portion", train_portion, allowed)
    logger.info("%s: %d images for training, %d for validation", images.name, len(training), len(validation))
    return training, validation


def _batches(
    images: ImageDataset, normalisation: Normalisation, trial: Trial, group: Processes, *, training: bool
) -> Batches:
    return Batches(
        images,
        trial.settings.batch_size,
        normalisation=normalisation,
        device=trial.device,
        generator=seeds.generator(trial.seed, "batches"),
        training=training,
        cutout=trial.data.cutout,
        processes=group,
    )
