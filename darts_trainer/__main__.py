"""A trial of DARTS: searches an architecture and prints the best genotype.

The metric lines hold Train-Loss, Train-Accuracy, Validation-Loss and Validation-Accuracy, and how many edges of a cell
would be skip connections if the search ended here (Normal-Skips, Reduction-Skips), one line an epoch, and at the end
Best-Genotype: that of the last epoch, as in the paper. Under torchrun several processes share each step; the first
alone prints and writes.
"""

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from darts_genotype import json_form, katib_form
from darts_genotype.genotype import Genotype, num_skips
from darts_trainer import config, construction
from darts_trainer.batch_size import largest_that_fits
from darts_trainer.collapse import StopRule
from darts_trainer.config import TrainerConfig
from darts_trainer.derivation import derive
from darts_trainer.layout import Layout, final_map_size
from darts_trainer.search import EpochMetrics, Search, SearchData
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import artifacts, command_line, metric_lines, processes, seeds
from trial_runtime.datasets import ImageDataset
from trial_runtime.processes import Processes

logger = logging.getLogger(__name__)


def run(trial: TrainerConfig, group: Processes) -> None:
    """Search; report each epoch, keep ``genotype.json`` in the output folder up to date, and report the last genotype.

    Args:
        trial: the same in every process, but for the device.
        group: the processes that search together, joined.

    Raises:
        DatasetError: the data are not there, are broken, or do not fit the options.
        OSError: the output folder cannot be written.
        InvalidExperiment: settings and data do not fit.
        MemoryError: no batch fits.
        TrainingDiverged: a loss is not finite.
        ProcessLost: another process has ended.
    """
    images = trial.data.load(seeds.generator(trial.seed, "subset"))
    data = SearchData.of(
        images,
        trial.settings.batch_size or largest_that_fits(trial, images, group),
        train_portion=trial.data.train_portion,
        cutout=trial.data.cutout,
        device=trial.device,
        seed=trial.seed,
        processes=group,
    )
    layout = construction.layout_of(trial, images)
    _check_size(layout, images, data.batch_size, group.size)
    supernet = construction.supernet_of(trial, layout, seeds.generator(trial.seed, "supernet"))
    if trial.compile:
        supernet.compile_cells()
    num_weights = sum(weight.numel() for weight in supernet.weights())
    logger.info("%d layers, %d weights, on %s, seed %d", layout.num_layers, num_weights, trial.device, trial.seed)
    if group.is_first:
        artifacts.prepare_folder(trial.output_dir)
    epochs: list[dict[str, float | str]] = []
    warmup_epochs = trial.variants.alpha_warmup_epochs
    stop_rule = StopRule(
        at_skips=trial.variants.stop_at_skips,
        when_stable=trial.variants.stop_when_stable,
        primitives=trial.primitives,
    )
    for metrics in Search(supernet, data, trial.settings, order=trial.order, alpha_warmup_epochs=warmup_epochs):
        mixtures = supernet.mixtures()
        found = derive(*mixtures, trial.primitives, layout.num_nodes)
        reason = stop_rule.reason(found, mixtures) if metrics.epoch > warmup_epochs else None
        epochs.append({"epoch": metrics.epoch, **_named(metrics, found)})
        if group.is_first:
            metric_lines.report(_named(metrics, found), epoch=metrics.epoch)
            artifacts.write_json(
                trial.output_dir / "genotype.json", _record(trial, data, found, epochs) | {"stopped": reason}
            )
        if reason is not None:
            logger.info("stopped after epoch %d of %d: %s", metrics.epoch, trial.settings.num_epochs, reason)
            break
    if group.is_first:
        metric_lines.report({"Best-Genotype": katib_form.write(found)})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def search_together() -> None:
        trial = config.from_arguments(sys.argv[1:] if argv is None else argv)
        group = processes.here()
        with group.joined(trial.device):
            # Without --seed each process has drawn one.
            run(replace(trial, seed=group.of_first(trial.seed)), group)

    return command_line.run(search_together)


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


def _named(metrics: EpochMetrics, found: Genotype) -> dict[str, float | str]:
    """The metrics by the names that Katib's manifests ask for, and the skip connections of what would be found now."""
    return {
        "Train-Loss": metrics.train_loss,
        "Train-Accuracy": metrics.train_accuracy,
        "Validation-Loss": metrics.validation_loss,
        "Validation-Accuracy": metrics.validation_accuracy,
        "Normal-Skips": num_skips(found.normal),
        "Reduction-Skips": num_skips(found.reduce),
    }


def _record(
    trial: TrainerConfig, data: SearchData, found: Genotype, epochs: Sequence[dict[str, float | str]]
) -> dict[str, object]:
    *_, last = epochs
    return {
        **json_form.document(found),
        "genotype": katib_form.write(found),
        "epoch": last["epoch"],
        "metrics": {name: value for name, value in last.items() if name != "epoch"},
        "epochs": list(epochs),
        "settings": asdict(trial.settings),
        "batch_size": data.batch_size,
        "search_space": list(trial.search_space),
        "num_layers": trial.num_layers,
        "order": trial.order,
        "precision": trial.precision,
        "compiled": trial.compile,
        "variants": asdict(trial.variants),
        **trial.data.record(),
        "seed": trial.seed,
        "device": str(trial.device),
        "processes": data.processes.size,
        "versions": artifacts.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
