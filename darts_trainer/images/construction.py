"""What a search is made of, from what was asked for and the images that there are."""

import torch

from cell_networks.layout import Layout
from darts_trainer.images.config import TrainerConfig
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.images.datasets import ImageDataset


def layout_of(trial: TrainerConfig, images: ImageDataset) -> Layout:
    """Return the size of the supernet."""
    channels, _, _ = images.image_shape
    return Layout(
        num_layers=trial.num_layers,
        num_nodes=trial.settings.num_nodes,
        init_channels=trial.settings.init_channels,
        stem_multiplier=trial.settings.stem_multiplier,
        image_channels=channels,
        num_classes=images.num_classes,
    )


def supernet_of(trial: TrainerConfig, layout: Layout, generator: torch.Generator) -> Supernet:
    """Build the supernet, on the trial's device; ``generator`` draws its weights and alphas."""
    return Supernet(
        layout,
        trial.primitives,
        generator=generator,
        checkpoint_cells=trial.checkpoint_cells,
        precision=trial.precision,
        partial_channels=trial.variants.partial_channels,
        auxiliary_skip=trial.variants.auxiliary_skip,
    ).to(trial.device)
