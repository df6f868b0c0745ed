"""The images that a found network is trained on, and those that it classifies."""

import logging
from dataclasses import dataclass, replace

import torch

from trial_runtime import seeds
from trial_runtime.images import datasets
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import ALONE, Processes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainData:
    """The training images, and those held out of them."""

    training: Batches
    """Augmented."""
    validation: Batches | None
    """As they are."""
    batch_size: int
    """Images in a step; those of all processes together."""
    normalisation: Normalisation
    """Of the training images."""
    num_held_out: int = 0
    """Images to validate on."""

    @classmethod
    def of(
        cls,
        images: ImageDataset,
        batch_size: int,
        *,
        train_portion: float,
        cutout: int,
        device: torch.device,
        seed: int,
        processes: Processes = ALONE,
    ) -> "RetrainData":
        """Hold images out where asked to; the same ones in every run.

        Fewer training images than batch_size become one batch, so that every epoch has a step; that is warned of.

        Raises:
            DatasetError: there are too few images to hold any out.
        """
        held_out = None
        if train_portion < 1:
            images, held_out = datasets.split(images, train_portion, seeds.generator(seeds.COMMON_SEED, "held out"))
        if len(images) < batch_size:
            logger.warning("batch_size %d is more than there are training images: using %d", batch_size, len(images))
            batch_size = len(images)
        logger.info("%s: %d images to train on, %d held out", images.name, len(images), len(held_out or ()))
        normalisation = Normalisation.of(images)
        training = Batches(
            images,
            batch_size,
            normalisation=normalisation,
            device=device,
            generator=seeds.generator(seed, "batches"),
            training=True,
            cutout=cutout,
            processes=processes,
        )
        data = cls(training=training, validation=None, batch_size=batch_size, normalisation=normalisation)
        if held_out is None:
            return data
        return replace(data, validation=data.to_classify(held_out, device), num_held_out=len(held_out))

    def to_classify(self, images: ImageDataset, device: torch.device) -> Batches:
        """Return batches of other images, as they are but for the normalisation."""
        return Batches(
            images,
            self.batch_size,
            normalisation=self.normalisation,
            device=device,
            generator=torch.Generator(),
            training=False,
            processes=self.training.processes,
        )
