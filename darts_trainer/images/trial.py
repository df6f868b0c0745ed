"""A trial that searches cells of pictures: what was asked for, on the images that there are."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from cell_networks.layout import Layout, final_map_size
from darts_trainer.images import construction
from darts_trainer.images.batch_size import largest_that_fits
from darts_trainer.images.config import TrainerConfig
from darts_trainer.search import remarks
from darts_trainer.search import trial as search_trial
from darts_trainer.search.loop import EpochMetrics, Search
from darts_trainer.search.records import EdgeWeight
from darts_trainer.search.trial import AfterStep
from darts_trainer.supernet.classification import Classification
from darts_trainer.supernet.collapse import StopRule
from darts_trainer.supernet.data import SearchData
from darts_trainer.supernet.derivation import derive
from darts_trainer.supernet.derived_cost import DerivedCost
from darts_trainer.supernet.epoch import Epoch, edge_weights, entropies
from darts_trainer.supernet.supernet import Supernet
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import seeds
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.devices import precision
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.images.tally import Means
from trial_runtime.processes.processes import Processes
from trial_runtime.reporting import artifacts

logger = logging.getLogger(__name__)


def run(trial: TrainerConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Search; see `darts_trainer.search.trial.run`, also for what is raised beside this.

    Raises:
        DatasetError: the data are not there, are broken, or do not fit the options.
        InvalidExperiment: settings and data do not fit.
        MemoryError: no batch fits.
    """
    search_trial.run(trial, group, checkpoint, epoch_type=Epoch, make=lambda: _Pictures(trial, group, checkpoint))


class _Pictures:
    """The supernet, its images, and when its search is over; see `darts_trainer.search.trial.Subject`."""

    examples = "images"

    def __init__(self, trial: TrainerConfig, group: Processes, checkpoint: Checkpoint | None) -> None:
        images = trial.data.load(seeds.generator(trial.seed, "subset"))
        self._trial = trial
        self._group = group
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
        self._layout, self._image_shape = layout, images.image_shape
        self._supernet = _supernet(trial, layout)
        self._stop_rule = StopRule(
            at_skips=trial.variants.stop_at_skips,
            when_stable=trial.variants.stop_when_stable,
            primitives=trial.primitives,
        )
        self.stopped: str | None = None

    def search(self, after_step: AfterStep) -> Search[Means]:
        """See the subject, as for all that follows."""
        return Search(
            Classification(self._supernet, self._data, replays=self._trial.replays(self._group.size)),
            self._trial.settings,
            order=self._trial.order,
            alpha_warmup_epochs=self._trial.variants.alpha_warmup_epochs,
            after_step=after_step,
        )

    def end_epoch(self, metrics: EpochMetrics[Means]) -> Epoch:
        mixtures = self._supernet.mixtures()
        found = derive(*mixtures, self._trial.primitives, self._trial.settings.num_nodes)
        if metrics.epoch > self._trial.variants.alpha_warmup_epochs:
            self.stopped = self._stop_rule.reason(found, mixtures)
        cost = DerivedCost.of(found, self._layout, self._image_shape)
        return Epoch.of(metrics, self._supernet, found, cost)

    def edge_weights(self) -> Iterator[EdgeWeight]:
        return edge_weights(self._supernet)

    def remarks(self, scores: Sequence[float]) -> tuple[str, ...]:
        num_steps = len(self._data.training) * len(scores)
        return remarks.remarks(entropies(self._supernet), len(self._trial.primitives), scores, num_steps)

    def record(self) -> dict[str, object]:
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
            "stopped": self.stopped,
            **trial.data.record(),
            "seed": trial.seed,
            "device": str(trial.device),
            "processes": self._group.size,
            "versions": artifacts.versions(),
        }

    def state_dict(self) -> dict[str, Any]:
        return {"stop_rule": self._stop_rule.state_dict(), "images": self._images}

    def restore(self, checkpoint: Checkpoint) -> None:
        checkpoint.check_part("images", self._images)
        self._stop_rule.load_state_dict(checkpoint.state["stop_rule"])

    def _batch_size(self, images: ImageDataset, checkpoint: Checkpoint | None) -> int:
        """Where the choice is left to this program, that of the process before: another memory may be free now."""
        before = None
        if checkpoint is not None:
            with checkpoint.restoring():
                before = int(checkpoint.state["record"]["batch_size"])
        return self._trial.settings.batch_size or before or largest_that_fits(self._trial, images, self._group)


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
