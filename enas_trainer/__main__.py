"""A trial of ENAS: trains the network of one architecture and prints what it came to.

The first metric line holds Parameters and MACs, the multiply-adds of one image. The others hold Training-Accuracy,
Training-Loss, Validation-Accuracy and Validation-Loss, one line an epoch. Several processes, which torchrun starts or
which --num_gpus asks for, share each step; the first alone prints and writes.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from enas_trainer import arguments, config, fields, gpus, shared_weights
from enas_trainer.arguments import Trial
from enas_trainer.child import Child
from enas_trainer.train import EpochMetrics, Training
from trial_runtime import artifacts, command_line, datasets, metric_lines, processes, seeds
from trial_runtime.batches import Batches, Normalisation
from trial_runtime.command_line import CommandLineError
from trial_runtime.datasets import DatasetError, ImageDataset
from trial_runtime.network_cost import multiply_adds, num_parameters
from trial_runtime.processes import Processes

COMMON_SEED = 0
"""Decides which images are held out: the same for every trial of a search, so that all are compared on the same."""

MIN_IMAGES = 2
"""Fewest images of a step in each process: batch norm needs as many where a map has a single pixel."""

logger = logging.getLogger(__name__)


def run(trial: Trial, group: Processes) -> None:
    """Build the network, train it, report each epoch and keep ``architecture.json`` in the output folder up to date.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.

    Raises:
        InvalidNetwork: architecture, nn_config and data do not fit.
        DatasetError: the data are not there, are broken, or do not fit the options.
        CommandLineError: the batch is too small for so many processes.
        TrainingDiverged: a loss is not finite.
        ProcessLost: another process has ended.
    """
    architecture, network = config.read(trial.architecture, trial.nn_config)
    _check_batch_size(trial.settings.batch_size, group)
    images = trial.data.load(seeds.generator(COMMON_SEED, "subset"))
    network.check_data(images.image_shape, images.num_classes)
    training_images, validation_images = divide(images, trial.data.train_portion, group.size)
    normalisation = Normalisation.of(training_images)

    def batches(part: ImageDataset, *, training: bool) -> Batches:
        return Batches(
            part,
            trial.settings.batch_size,
            normalisation=normalisation,
            device=trial.device,
            generator=seeds.generator(trial.seed, "batches"),
            training=training,
            cutout=trial.data.cutout,
            processes=group,
        )

    child = Child(architecture, network, seeds.generator(trial.seed, "weights"), precision=trial.precision)
    cost = {"Parameters": num_parameters(child), "MACs": multiply_adds(child, images.image_shape)}
    loan = None
    if trial.shared_weights is not None:
        folder = shared_weights.folder_for(trial.shared_weights, network, training_images)
        loan = shared_weights.borrow(child, architecture, network, folder, group)
    training_batches = batches(training_images, training=True)
    training = Training(
        child.to(trial.device), training_batches, batches(validation_images, training=False), trial.settings
    )
    logger.info("%d layers, on %s, seed %d", network.num_layers, trial.device, trial.seed)
    epochs: list[EpochMetrics] = []
    record = trial.output_dir / "architecture.json"
    if group.is_first:
        artifacts.write_json(
            record, _record(trial, group, cost, epochs)
        )  # a folder that refuses does so before the work
        metric_lines.report(cost)
    for metrics in training:
        epochs.append(metrics)
        if group.is_first:
            metric_lines.report(_named(metrics), epoch=metrics.epoch)
            artifacts.write_json(record, _record(trial, group, cost, epochs))
    if loan is not None and group.is_first:
        steps = trial.settings.num_epochs * len(training_batches)
        shared_weights.give_back(loan, child, architecture, network, steps)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def train_together() -> None:
        given = sys.argv[1:] if argv is None else argv
        trial = arguments.parse(given)
        gpus.spread(trial.num_gpus, trial.device, given)
        group = processes.here()
        with group.joined(trial.device):
            # Without --seed each process has drawn one.
            run(replace(trial, seed=group.of_first(trial.seed)), group)

    return command_line.run(train_together)


def _check_batch_size(batch_size: int, group: Processes) -> None:
    least = MIN_IMAGES * group.size
    if batch_size < least:
        raise CommandLineError(
            f"--batch-size: {batch_size} is not allowed: {group.size} processes need at least {least}"
        )


def divide(images: ImageDataset, train_portion: float, num_processes: int = 1) -> tuple[ImageDataset, ImageDataset]:
    """Return the images to train on and those to validate on, which are held out; the same in each trial of a search.

    Raises:
        DatasetError: there are too few.
    """
    validation, training = datasets.split(images, 1 - train_portion, seeds.generator(COMMON_SEED, "validation"))
    if len(training) < MIN_IMAGES * num_processes:
        allowed = f"of {len(images)} images it must leave at least {MIN_IMAGES * num_processes} to train on"
        raise DatasetError("train_portion", train_portion, allowed)
    logger.info("%s: %d images for training, %d for validation", images.name, len(training), len(validation))
    return training, validation


def _named(metrics: EpochMetrics) -> dict[str, float | str]:
    """The metrics by the names that Katib's manifests ask for."""
    return {
        "Training-Accuracy": metrics.training_accuracy,
        "Training-Loss": metrics.training_loss,
        "Validation-Accuracy": metrics.validation_accuracy,
        "Validation-Loss": metrics.validation_loss,
    }


def _record(
    trial: Trial, group: Processes, cost: Mapping[str, int], epochs: Sequence[EpochMetrics]
) -> dict[str, object]:
    return {
        "architecture": fields.parse(trial.architecture, "architecture"),
        "nn_config": fields.parse(trial.nn_config, "nn_config"),
        "parameters": cost["Parameters"],
        "multiply_adds": cost["MACs"],
        "epochs": [{"epoch": metrics.epoch, **_named(metrics)} for metrics in epochs],
        "training": asdict(trial.settings),
        "precision": trial.precision,
        **trial.data.record(),
        "shared_weights": trial.shared_weights and str(trial.shared_weights),
        "seed": trial.seed,
        "device": str(trial.device),
        "processes": group.size,
        "versions": artifacts.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
