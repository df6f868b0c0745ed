"""A trial of ENAS: trains the network of one architecture and prints what it came to.

The first metric line holds Parameters and MACs, the multiply-adds of one image. The others hold Training-Accuracy,
Training-Loss, Validation-Accuracy and Validation-Loss, one line an epoch.
"""

import argparse
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from enas_trainer import config, fields
from enas_trainer.child import Child
from enas_trainer.train import EpochMetrics, TrainingSettings, train
from trial_runtime import artifacts, command_line, datasets, devices, metric_lines, seeds
from trial_runtime.batches import Batches, Normalisation
from trial_runtime.data_options import DataOptions
from trial_runtime.datasets import DatasetError, ImageDataset
from trial_runtime.network_cost import multiply_adds, num_parameters

TRAIN_PORTION = 0.8
"""Share of the training images to train on, where none is asked for; the others are held out to validate on."""

COMMON_SEED = 0
"""Decides which images are held out: the same for every trial of a search, so that all are compared on the same."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A trial, as its command line asks for it."""

    architecture: str
    """JSON, see `config.read`."""
    nn_config: str
    """JSON, see `config.read`."""
    settings: TrainingSettings
    data: DataOptions
    output_dir: Path
    seed: int
    device: torch.device


def run(trial: Trial) -> None:
    """Build the network, train it, report each epoch and keep ``architecture.json`` in the output folder up to date.

    Raises:
        InvalidNetwork: architecture, nn_config and data do not fit.
        DatasetError: the data are not there, are broken, or do not fit the options.
        TrainingDiverged: a loss is not finite.
    """
    architecture, network = config.read(trial.architecture, trial.nn_config)
    images = trial.data.load(seeds.generator(COMMON_SEED, "subset"))
    network.check_data(images.image_shape, images.num_classes)
    training_images, validation_images = divide(images, trial.data.train_portion)
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
        )

    child = Child(architecture, network, seeds.generator(trial.seed, "weights")).to(trial.device)
    cost = {"Parameters": num_parameters(child), "MACs": multiply_adds(child, images.image_shape)}
    logger.info("%d layers, on %s, seed %d", network.num_layers, trial.device, trial.seed)
    epochs: list[EpochMetrics] = []
    record = trial.output_dir / "architecture.json"
    artifacts.write_json(record, _record(trial, cost, epochs))  # a folder that refuses does so before the work
    metric_lines.report(cost)
    training = batches(training_images, training=True)
    validation = batches(validation_images, training=False)
    for metrics in train(child, training, validation, trial.settings):
        epochs.append(metrics)
        metric_lines.report(_named(metrics), epoch=metrics.epoch)
        artifacts.write_json(record, _record(trial, cost, epochs))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return command_line.run(lambda: run(_parse(argv)))


def _parse(argv: Sequence[str] | None) -> Trial:
    parser = command_line.Parser(prog="enas_trainer", description=__doc__, allow_abbrev=False)
    parser.add_argument("--architecture", required=True, help="rows of the architecture, as JSON")
    parser.add_argument("--nn_config", required=True, help="sizes and operations of the network, as JSON")
    default = TrainingSettings()
    integer = command_line.integer
    parser.add_argument("--num_epochs", type=integer(1), default=default.num_epochs, help="default: %(default)s")
    gpus = "0 computes on the CPU; more than one is not used yet (default: %(default)s)"
    parser.add_argument("--num_gpus", type=integer(0), default=1, help=gpus)
    parser.add_argument("--batch-size", type=integer(2), default=default.batch_size, help="default: %(default)s")
    parser.add_argument("--learning-rate", type=_rate, default=default.learning_rate, help="default: %(default)s")
    command_line.add_data_arguments(parser, train_portion=TRAIN_PORTION)
    arguments = parser.parse_args(argv)
    return Trial(
        architecture=arguments.architecture,
        nn_config=arguments.nn_config,
        settings=TrainingSettings(
            num_epochs=arguments.num_epochs,
            batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
        ),
        data=command_line.data_options(arguments),
        output_dir=arguments.output_dir,
        seed=seeds.fresh_seed() if arguments.seed is None else arguments.seed,
        device=_device(arguments.device, arguments.num_gpus),
    )


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be a finite number > 0")
    return rate


def _device(device: torch.device, num_gpus: int) -> torch.device:
    if num_gpus == 0:
        return devices.resolve("cpu")
    if num_gpus > 1:
        logger.warning("%d GPUs were asked for; a trial trains in one process, on %s alone", num_gpus, device)
    return device


def divide(images: ImageDataset, train_portion: float) -> tuple[ImageDataset, ImageDataset]:
    """Return the images to train on and those to validate on, which are held out; the same in each trial of a search.

    Raises:
        DatasetError: there are too few.
    """
    validation, training = datasets.split(images, 1 - train_portion, seeds.generator(COMMON_SEED, "validation"))
    if len(training) < 2:  # batch normalisation needs two
        allowed = f"of {len(images)} images it must leave at least 2 to train on"
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


def _record(trial: Trial, cost: Mapping[str, int], epochs: Sequence[EpochMetrics]) -> dict[str, object]:
    return {
        "architecture": fields.parse(trial.architecture, "architecture"),
        "nn_config": fields.parse(trial.nn_config, "nn_config"),
        "parameters": cost["Parameters"],
        "multiply_adds": cost["MACs"],
        "epochs": [{"epoch": metrics.epoch, **_named(metrics)} for metrics in epochs],
        "training": asdict(trial.settings),
        **trial.data.record(),
        "seed": trial.seed,
        "device": str(trial.device),
        "versions": artifacts.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
