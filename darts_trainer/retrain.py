"""Train the network of a genotype: ``python -m darts_trainer.retrain --genotype genotype.json``.

The metric lines hold Train-Loss and Train-Accuracy, one line an epoch. Where all training images are trained on, as in
the paper, the test images are classified once, at the end: Test-Loss, Test-Accuracy. Where some are held out
(``--train-portion``) they are classified after every epoch, Validation-Loss and Validation-Accuracy, and test images
are left alone: so an Experiment can tune the settings. Under torchrun several processes share each step; the first
alone prints and writes.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from darts_trainer import predictor, retrain_config
from darts_trainer.layout import Layout, final_map_size
from darts_trainer.network import Network
from darts_trainer.predictor import Predictor
from darts_trainer.retrain_config import RetrainConfig
from darts_trainer.retraining import COMMON_SEED, EpochMetrics, RetrainData, Retraining
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import artifacts, command_line, metric_lines, processes, seeds
from trial_runtime.datasets import ImageDataset
from trial_runtime.processes import Processes

logger = logging.getLogger(__name__)


def run(trial: RetrainConfig, group: Processes) -> None:
    """Train; report each epoch, classify the test images if they are due, and write the network.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that train together, joined.

    Raises:
        DatasetError: the data are not there, are broken, or do not fit the options.
        GenotypeError: the genotype has no reduction cell, and the network needs one.
        InvalidExperiment: settings and data do not fit.
        OSError: the output folder cannot be written.
        TrainingDiverged: a loss is not finite.
        ProcessLost: another process has ended.
    """
    images = trial.data.load(seeds.generator(COMMON_SEED, "subset"))
    # Loaded now, so that test images that are missing are missed before the training and not after it.
    test_images = trial.data.load_test(images) if trial.data.train_portion == 1 else None
    data = RetrainData.of(
        images,
        trial.settings.batch_size,
        train_portion=trial.data.train_portion,
        cutout=trial.data.cutout,
        device=trial.device,
        seed=trial.seed,
        processes=group,
    )
    layout = _layout(trial, images)
    _check_size(trial, images, data.batch_size, group.size)
    network = _network(trial, layout, images)
    if group.is_first:
        artifacts.prepare_folder(trial.output_dir)
    training = Retraining(network, data, trial.settings, generator=seeds.generator(trial.seed, "paths"))
    epochs = []
    for metrics in training:
        named = _named(metrics)
        epochs.append({"epoch": metrics.epoch, **named})
        if group.is_first:
            metric_lines.report(named, epoch=metrics.epoch)
    result = dict(epochs[-1])
    if test_images is not None:
        loss, accuracy = training.classify(data.to_classify(test_images, trial.device), "test")
        tested = {"Test-Loss": loss, "Test-Accuracy": accuracy}
        result |= tested
        if group.is_first:
            metric_lines.report(tested)
    if group.is_first:
        record = _record(trial, data, network) | {"metrics": result, "epochs": epochs}
        trained = Predictor(network, data.normalisation, images.image_shape)
        predictor.save(trial.output_dir, trained, trial.genotype, layout, record)
        logger.info("wrote %s and %s to %s", predictor.WEIGHTS_FILE, predictor.NETWORK_FILE, trial.output_dir)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def train_together() -> None:
        trial = retrain_config.from_arguments(sys.argv[1:] if argv is None else argv)
        group = processes.here()
        with group.joined(trial.device):
            # Without --seed each process has drawn one.
            run(replace(trial, seed=group.of_first(trial.seed)), group)

    return command_line.run(train_together)


def _layout(trial: RetrainConfig, images: ImageDataset) -> Layout:
    channels, _, _ = images.image_shape
    return Layout(
        **asdict(trial.size),
        num_nodes=trial.genotype.num_nodes,
        image_channels=channels,
        num_classes=images.num_classes,
    )


def _network(trial: RetrainConfig, layout: Layout, images: ImageDataset) -> Network:
    _, height, width = images.image_shape
    network = Network(
        trial.genotype,
        layout,
        generator=seeds.generator(trial.seed, "network"),
        auxiliary_image_size=(height, width) if trial.settings.auxiliary_weight else None,
        precision=trial.precision,
    ).to(trial.device)
    logger.info(
        "%d layers, %d weights, on %s, seed %d",
        layout.num_layers, network.num_weights, trial.device, trial.seed,
    )  # fmt: skip
    return network


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
    named = {
        "Train-Loss": metrics.train_loss,
        "Train-Accuracy": metrics.train_accuracy,
        "Validation-Loss": metrics.validation_loss,
        "Validation-Accuracy": metrics.validation_accuracy,
    }
    return {name: value for name, value in named.items() if value is not None}


def _record(trial: RetrainConfig, data: RetrainData, network: Network) -> dict[str, object]:
    return {
        "num_weights": network.num_weights,
        "settings": asdict(trial.settings) | {"batch_size": data.batch_size},
        **trial.data.record(),
        "precision": trial.precision,
        "seed": trial.seed,
        "device": str(trial.device),
        "processes": data.training.processes.size,
        "versions": artifacts.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
