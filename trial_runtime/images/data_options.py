"""Which images a trial has, and what is done to them, as its command line asks for it."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trial_runtime.errors import DatasetError
from trial_runtime.images import datasets
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.images.npz import Layout

REMAP = "remap"
"""The one other value of ``--labels``."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataOptions:
    """What `trial_runtime.command_line.add_data_arguments` asks for."""

    dataset: str
    """Name, as `datasets.load` knows it."""
    data_dir: Path | None
    """Folder of the data; None for the usual one."""
    max_images: int | None
    """Use that many training images, drawn at random; None for all."""
    train_portion: float
    """Share of the training images that the weights learn from; 1 where no others are needed."""
    image_size: tuple[int, int] | None
    """(H, W) to bring the images to; None leaves them as they are."""
    flip: bool | None
    """Whether training images are mirrored; None where they mean the same then."""
    cutout: int
    """Side of the square that is cut out of each training image, in pixels; 0 for none."""
    npz_layout: str | None = None
    """``nhwc`` or ``nchw``, where the arrays of ``npz:PATH`` have their channels; None refuses what looks wrong."""
    labels: str | None = None
    """``remap`` numbers the labels of ``npz:PATH`` anew from 0; None takes them as they are."""

    def load(self, generator: torch.Generator) -> ImageDataset:
        """Load the training images, and log what they are; the generator, on the CPU, draws those of max_images.

        Raises:
            DatasetError: there are none, they are broken, or the options do not fit them.
        """
        images = datasets.load(
            self.dataset,
            self.data_dir,
            size=self.image_size,
            max_images=self.max_images,
            generator=generator,
            npz_layout=self._layout,
            remap_labels=self.labels == REMAP,
        )
        _log(images)
        _, height, width = images.image_shape
        if self.cutout > min(height, width):
            allowed = f"the images have {height}x{width} pixels (H x W)"
            raise DatasetError("cutout", self.cutout, allowed)
        return images if self.flip is None else replace(images, may_flip=self.flip)

    def load_test(self, training: ImageDataset) -> ImageDataset:
        """Load the test images that belong to training images.

        Raises:
            DatasetError: there are none, they are broken, or they do not match the training images.
        """
        return datasets.load_test(training, self.data_dir, size=self.image_size, npz_layout=self._layout)

    def record(self) -> dict[str, object]:
        """What is needed to have the same images again, as JSON; the folder of the data is the machine's affair."""
        return {
            "dataset": self.dataset,
            "max_images": self.max_images,
            "train_portion": self.train_portion,
            "image_size": self.image_size,
            "flip": self.flip,
            "cutout": self.cutout,
            "npz_layout": self.npz_layout,
            "labels": self.labels,
        }

    @property
    def _layout(self) -> Layout | None:
        return None if self.npz_layout is None else Layout(self.npz_layout)


def _log(images: ImageDataset) -> None:
    """Say what the images are: axes in the wrong order, or half of the classes missing, are seen at a glance."""
    channels, height, width = images.image_shape
    counts_k = images.labels_n.bincount(minlength=images.num_classes)
    logger.info(
        "%s: %d images of %dx%dx%d (height x width x channels), %d classes; the smallest has %d images, the largest %d",
        images.name, len(images), height, width, channels, images.num_classes, counts_k.min(), counts_k.max(),
    )  # fmt: skip
