"""A training of the network of a found genotype on images (arXiv 1806.09055, section 3.2)."""

from collections.abc import Mapping
from dataclasses import asdict

import torch

from cell_networks.images import Network
from cell_networks.layout import Layout, final_map_size
from darts_trainer import predictor
from darts_trainer.predictor import Predictor
from darts_trainer.retraining.config import RetrainConfig
from darts_trainer.retraining.enas_recipe import EnasSettings
from darts_trainer.retraining.learner import CellsLearner
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import seeds
from trial_runtime.checkpointing.checkpoints import Checkpoint
from trial_runtime.costs.network_cost import multiply_adds, num_parameters
from trial_runtime.devices import precision
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import Processes
from trial_runtime.retraining import metric_names
from trial_runtime.retraining import trial as retraining


def run(trial: RetrainConfig, group: Processes, checkpoint: Checkpoint | None = None) -> None:
    """Train; see `trial_runtime.retraining.trial.run`, also for what is raised beside this.

    Raises:
        GenotypeError: the genotype has no reduction cell, and the network needs one.
        InvalidExperiment: settings and data do not fit.
    """
    retraining.run(
        trial, group, checkpoint, lambda images, batch_size: Cells(trial, images, batch_size, num_processes=group.size)
    )


class Cells:
    """The network of a genotype, as it is trained; see `trial_runtime.retraining.trial.Subject`."""

    def __init__(self, trial: RetrainConfig, images: ImageDataset, batch_size: int, *, num_processes: int = 1) -> None:
        _check_size(trial, images, batch_size, num_processes)
        self._trial = trial
        self._layout = _layout(trial, images)
        self.network = _network(trial, self._layout, images)
        self.learner = CellsLearner(self.network, trial.settings)
        self.cost = _cost(self.network, images)

    def save(self, trained: Predictor, record: Mapping[str, object]) -> None:
        """Write both files."""
        predictor.save(self._trial.output_dir, trained, self._trial.genotype, self._layout, record)


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
        auxiliary_delay=1 if isinstance(trial.settings, EnasSettings) else 0,
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
