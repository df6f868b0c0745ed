"""The two parts of the images that a search learns from."""

import logging
from dataclasses import dataclass

import torch

from trial_runtime import seeds
from trial_runtime.images import datasets
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import ALONE, Processes

_BATCHES_VALIDATED_AT_ONCE = 4
"""On a GPU, where a kernel on a small batch costs more to launch than to compute."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchData:
    """The two parts of the training images: halves, unless asked otherwise."""

    training: Batches
    """The part that the weights learn from, augmented."""
    architecture: Batches
    """The part that the alphas learn from, augmented."""
    validation: Batches
    """The same part, as it is."""
    batch_size: int
    """Images in a step, from each part; those of all processes together."""

    @property
    def processes(self) -> Processes:
        """Those that share every batch."""
        return self.training.processes

    @classmethod
    def of(
        cls,
        images: ImageDataset,
        batch_size: int,
        *,
        device: torch.device,
        seed: int,
        train_portion: float = 0.5,
        cutout: int = 0,
        processes: Processes = ALONE,
    ) -> "SearchData":
        """Divide images at random into two parts; the same ones in every process that has the seed.

        A part with fewer images than batch_size becomes one batch, so that every epoch has a step; that is warned of.

        Args:
            images: to be divided.
            batch_size: images in a step, from each part.
            device: where the batches are.
            seed: of the division, the order and the augmentation.
            train_portion: share of the images that the weights learn from, between 0 and 1; the paper's is a half.
            cutout: see `Batches`.
            processes: those that share the batches.

        Raises:
            DatasetError: there are fewer than two images.
        """
        weight_part, alpha_part = datasets.split(images, train_portion, seeds.generator(seed, "halves"))
        smaller = min(len(weight_part), len(alpha_part))
        if smaller < batch_size:
            logger.warning("batch_size %d is more than the smaller part of the data: using %d", batch_size, smaller)
            batch_size = smaller
        logger.info("%s: %d images for the weights, %d for the alphas", images.name, len(weight_part), len(alpha_part))
        normalisation = Normalisation.of(images)

        def batches(part: ImageDataset, stream: str, *, training: bool) -> Batches:
            return Batches(
                part,
                batch_size if training else batch_size * num_validated_at_once(device),
                normalisation=normalisation,
                device=device,
                generator=seeds.generator(seed, stream),
                training=training,
                cutout=cutout,
                processes=processes,
            )

        return cls(
            training=batches(weight_part, "weight batches", training=True),
            architecture=batches(alpha_part, "architecture batches", training=True),
            validation=batches(alpha_part, "validation batches", training=False),
            batch_size=batch_size,
        )


def num_validated_at_once(device: torch.device) -> int:
    """Return how many batches of a search are one batch of its validation."""
    return _BATCHES_VALIDATED_AT_ONCE if device.type == "cuda" else 1
