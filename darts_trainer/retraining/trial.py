"""A training of a found network from its options to its files, that goes on where it was killed."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from typing import Any

import torch

from cell_networks.images import Network
from cell_networks.layout import Layout, final_map_size
from darts_trainer import metric_names, predictor
from darts_trainer.predictor import Predictor
from darts_trainer.retraining import records
from darts_trainer.retraining.config import RetrainConfig
from darts_trainer.retraining.data import RetrainData
from darts_trainer.retraining.training import EpochMetrics, Retraining, cosine
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import artifacts, checkpoints, metric_lines, precision, seeds
from trial_runtime.checkpoints import Checkpoint
from trial_runtime.events import Events
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.network_cost import multiply_adds, num_parameters
from trial_runtime.processes import Processes
from trial_runtime.progress import epoch_over
from trial_runtime.resume import Saver

logger = logging.getLogger(__name__)


def run(trial: RetrainConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Train; report each epoch, classify the test images if they are due, and write the network.

    Lines of earlier epochs are printed again, with their times: who reads the output of this process sees all.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.
        checkpoint: to go on from; of the same configuration.

    Raises:
        DatasetError: the data are not there, are broken, or do not fit the options.
        GenotypeError: the genotype has no reduction cell, and the network needs one.
        InvalidExperiment: settings and data do not fit.
        CheckpointError: the data are others than those of the checkpoint.
        OSError: the output folder cannot be written.
        TrainingDiverged: a loss is not finite.
        Terminated: SIGTERM has come; a checkpoint is written.
        ProcessLost: another process has ended.
    """
    with Saver.of(trial, group) as saver:
        retrained = _Trial(trial, group, saver)
        if checkpoint is not None:
            retrained.load(checkpoint)
        retrained.run()


class _Trial:
    """A training with what it has come to so far."""

    def __init__(self, trial: RetrainConfig, group: Processes, saver: Saver) -> None:
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
        _check_size(trial, images, self._data.batch_size, group.size)
        self._layout = _layout(trial, images)
        self._network = _network(trial, self._layout, images)
        self._cost = _cost(self._network, images)
        logger.info(
            "%d layers, %d parameters, %d multiply-adds, on %s, seed %d",
            trial.size.num_layers, self._cost[metric_names.PARAMETERS], self._cost[metric_names.MACS],
            trial.device, trial.seed,
        )  # fmt: skip
        if group.is_first:
            artifacts.prepare_folder(trial.output_dir)
        self._training = Retraining(
            self._network,
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
            self._network.load_state_dict(self._kept)
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
            self._kept = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}
        if events is not None:
            records.write_events(events, epoch, cosine(metrics.epoch, self._trial.settings))
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
            "parameters": self._cost[metric_names.PARAMETERS],
            "multiply_adds": self._cost[metric_names.MACS],
            "settings": asdict(trial.settings) | {"batch_size": self._data.batch_size},
            **trial.data.record(),
            "precision": trial.precision,
            "seed": trial.seed,
            "device": str(trial.device),
            "processes": self._group.size,
            "versions": artifacts.versions(),
        }
        images = self._images
        trained = Predictor(self._network, self._data.normalisation, images.image_shape, images.class_names)
        predictor.save(trial.output_dir, trained, trial.genotype, self._layout, record)
        logger.info("wrote %s and %s to %s", predictor.WEIGHTS_FILE, predictor.NETWORK_FILE, trial.output_dir)


def _epoch(found: Mapping[str, Any]) -> dict[str, Any]:
    """Check what a checkpoint holds of an epoch."""
    metrics = {str(name): float(value) for name, value in found["metrics"].items()}
    return {"epoch": int(found["epoch"]), "time": str(found["time"]), "metrics": metrics}


def _layout(trial: RetrainConfig, images: ImageDataset) -> Layout:
    channels, _, _ = images.image_shape
    return Layout(
        **asdict(trial.size),
        num_nodes=trial.genotype.num_nodes,
        image_channels=channels,
        num_classes=images.num_classes,
    )


def _network(trial: RetrainConfig, layout: Layout, images: ImageDataset) -> Network:
    precision.settle(trial.device)
    _, height, width = images.image_shape
    network = Network(
        trial.genotype,
        layout,
        generator=seeds.generator(trial.seed, "network"),
        auxiliary_image_size=(height, width) if trial.settings.auxiliary_weight else None,
        precision=trial.precision,
    )
    # With its weights so, all that it computes has the channels last, which is faster: by a quarter on a CPU.
    return network.to(memory_format=torch.channels_last).to(trial.device)


def _cost(network: Network, images: ImageDataset) -> dict[str, int]:
    """What a trained network costs: the second classifier does not count."""
    auxiliary = 0 if network.auxiliary_head is None else num_parameters(network.auxiliary_head)
    return {
        metric_names.PARAMETERS: num_parameters(network) - auxiliary,
        metric_names.MACS: multiply_adds(network, images.image_shape),
    }


def _check_size(trial: RetrainConfig, images: ImageDataset, batch_size: int, num_processes: int) -> None:
    """Refuse maps too small for the second classifier, and a batch whose norms would see a single value a channel."""
    _, height, width = images.image_shape
    map_size = final_map_size(trial.size.num_layers, (height, width))
    end = f"images of {height}x{width} end as maps of {map_size[0]}x{map_size[1]}"
    if trial.settings.auxiliary_weight and min(map_size) < 2:
        allowed = f"{end}, too small for a second classifier: it must be 0, or --image-size larger"
        raise InvalidExperiment("--auxiliary-weight", trial.settings.auxiliary_weight, allowed)
    # The second classifier ends in a single pixel, whatever the images.
    has_single_pixel = bool(trial.settings.auxiliary_weight) or max(map_size) == 1
    least = 2 * num_processes if has_single_pixel else num_processes
    if batch_size < least:
        together = "" if num_processes == 1 else f" with {num_processes} processes"
        allowed = f"each norm needs more than one value a channel: it must be at least {least}{together}"
        raise InvalidExperiment("--batch-size", batch_size, allowed)


def _named(metrics: EpochMetrics) -> dict[str, float]:
    named = dict(zip(metric_names.TRAINING, (metrics.training.loss, metrics.training.accuracy), strict=True))
    if metrics.validation is None:
        return named
    return named | dict(
        zip(metric_names.VALIDATION, (metrics.validation.loss, metrics.validation.accuracy), strict=True)
    )
