"""A trial of DARTS: searches an architecture and prints the best genotype.

The metric lines hold Train-Loss, Train-Accuracy, Validation-Loss and Validation-Accuracy, one line an epoch, and at the
end Best-Genotype: that of the last epoch, as in the paper.
"""

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict

from darts_trainer import config, genotype
from darts_trainer.config import TrainerConfig
from darts_trainer.genotype import Genotype
from darts_trainer.layout import Layout, reduction_layers
from darts_trainer.search import EpochMetrics, SearchData, search
from darts_trainer.supernet import Supernet
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import artifacts, command_line, datasets, metric_lines, seeds
from trial_runtime.datasets import ImageDataset

logger = logging.getLogger(__name__)


def run(trial: TrainerConfig) -> None:
    """Search; report each epoch, keep ``genotype.json`` in the output folder up to date, and report the last genotype.

    Raises:
        DatasetError: the data are not there.
        OSError: the output folder cannot be written.
        InvalidExperiment: settings and data do not fit.
        TrainingDiverged: a loss is not finite.
    """
    images = datasets.load(trial.dataset, trial.data_dir)
    images = datasets.subset(images, trial.max_images, seeds.generator(trial.seed, "subset"))
    data = SearchData.of(images, trial.batch_size, device=trial.device, seed=trial.seed)
    layout = _layout(trial, images)
    _check_size(layout, images, data.batch_size)
    supernet = Supernet(
        layout,
        trial.primitives,
        generator=seeds.generator(trial.seed, "supernet"),
        checkpoint_cells=trial.checkpoint_cells,
    ).to(trial.device)
    num_weights = sum(weight.numel() for weight in supernet.weights())
    logger.info("%d layers, %d weights, on %s, seed %d", layout.num_layers, num_weights, trial.device, trial.seed)
    artifacts.prepare_folder(trial.output_dir)
    epochs: list[EpochMetrics] = []
    for metrics in search(supernet, data, trial.settings, order=trial.order):
        epochs.append(metrics)
        found = genotype.derive(*supernet.mixtures(), trial.primitives, layout.num_nodes)
        metric_lines.report(_named(metrics), epoch=metrics.epoch)
        artifacts.write_json(trial.output_dir / "genotype.json", _record(trial, data, found, epochs))
    metric_lines.report({"Best-Genotype": str(found)})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return command_line.run(lambda: run(config.from_arguments(sys.argv[1:] if argv is None else argv)))


def _layout(trial: TrainerConfig, images: ImageDataset) -> Layout:
    channels, _, _ = images.image_shape
    return Layout(
        num_layers=trial.num_layers,
        num_nodes=trial.settings.num_nodes,
        init_channels=trial.settings.init_channels,
        stem_multiplier=trial.settings.stem_multiplier,
        image_channels=channels,
        num_classes=images.num_classes,
    )


def _check_size(layout: Layout, images: ImageDataset, batch_size: int) -> None:
    """Refuse a batch whose norms would see a single value a channel, which has no spread."""
    _, height, width = images.image_shape
    shrink = 2 ** len(reduction_layers(layout.num_layers))
    if batch_size * math.ceil(height / shrink) * math.ceil(width / shrink) == 1:
        allowed = f"images of {height}x{width} end as one pixel after {layout.num_layers} layers: it must be at least 2"
        raise InvalidExperiment("batch_size", batch_size, allowed)


def _named(metrics: EpochMetrics) -> dict[str, float | str]:
    """The metrics by the names that Katib's manifests ask for."""
    return {
        "Train-Loss": metrics.train_loss,
        "Train-Accuracy": metrics.train_accuracy,
        "Validation-Loss": metrics.validation_loss,
        "Validation-Accuracy": metrics.validation_accuracy,
    }


def _record(
    trial: TrainerConfig, data: SearchData, found: Genotype, epochs: Sequence[EpochMetrics]
) -> dict[str, object]:
    return {
        "genotype": str(found),
        "structure": found.structure(),
        "epoch": epochs[-1].epoch,
        "metrics": _named(epochs[-1]),
        "epochs": [{"epoch": metrics.epoch, **_named(metrics)} for metrics in epochs],
        "settings": asdict(trial.settings),
        "batch_size": data.batch_size,
        "search_space": list(trial.search_space),
        "num_layers": trial.num_layers,
        "order": trial.order,
        "dataset": trial.dataset,
        "max_images": trial.max_images,
        "seed": trial.seed,
        "device": str(trial.device),
        "versions": artifacts.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
