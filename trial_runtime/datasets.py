"""Images that a search trains and validates on: training images only, the test set is never touched.

Legend of shapes: n images, c channels, h and w pixels.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from trial_runtime import cifar10, npz_images
from trial_runtime.errors import DatasetError
from trial_runtime.seeds import generator as seeded_generator

__all__ = ["DEFAULT_DATASET", "KNOWN", "DatasetError", "ImageDataset", "default_data_dir", "load", "split", "subset"]

DEFAULT_DATASET = "cifar10"
"""What Katib's published manifests expect."""

KNOWN = "cifar10, digits, npz:PATH, fake or fake:N"
"""The names that `load` knows, for messages."""

FAKE_IMAGES = 512
"""Images of the data set ``fake``."""

_MAX_FAKE_IMAGES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDataset:
    """Labelled images in memory."""

    name: str
    """As it was asked for."""
    images_nchw: Tensor
    """uint8, 0 to 255."""
    labels_n: Tensor
    """int64, 0 to num_classes - 1."""
    num_classes: int
    may_flip: bool
    """Whether an image keeps its meaning when left and right change places."""

    def __post_init__(self) -> None:
        assert (self.images_nchw.dtype, self.labels_n.dtype) == (torch.uint8, torch.int64)
        assert self.images_nchw.ndim == 4, self.images_nchw.shape
        assert self.labels_n.shape == self.images_nchw.shape[:1] != (0,)
        assert 0 <= int(self.labels_n.min()) <= int(self.labels_n.max()) < self.num_classes

    def __len__(self) -> int:
        return self.images_nchw.shape[0]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.images_nchw.shape
        return channels, height, width


def default_data_dir() -> Path:
    """Where data are when nothing is said: ``$XDG_CACHE_HOME/katib-nas``, or ``~/.cache/katib-nas``."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(cache)) / "katib-nas"  # noqa: PTH111 - Path.expanduser raises without a home


def load(name: str, data_dir: Path | None) -> ImageDataset:
    """Load the training images of a data set.

    - ``cifar10``: 50,000 photographs, 3x32x32, 10 classes; downloaded into data_dir where they are not there yet.
    - ``digits``: 1,797 scanned digits of scikit-learn, 1x32x32 (scaled up from 8x8), 10 classes; needs no network.
    - ``npz:PATH``: your own, see `npz_images.load`.
    - ``fake``, ``fake:N``: N random images (512), 3x32x32, 10 classes, the same each time; for smoke tests.

    Args:
        name: one of the above.
        data_dir: folder of the data; None for `default_data_dir`.

    Raises:
        DatasetError: the name is unknown, or the data are missing, broken or do not match each other.
    """
    data_dir = default_data_dir() if data_dir is None else data_dir
    kind, colon, argument = name.partition(":")
    if kind == "npz" and argument:
        images_nhwc, labels_n, may_flip = npz_images.load(argument, data_dir)
        images_nchw, num_classes = images_nhwc.permute(0, 3, 1, 2), int(labels_n.max()) + 1
    elif name == "cifar10":
        images_nhwc, labels_n = cifar10.load(data_dir)
        images_nchw, num_classes, may_flip = images_nhwc.permute(0, 3, 1, 2), 10, True
    elif name == "digits":
        images_nchw, labels_n = _digits()
        num_classes, may_flip = 10, False
    elif kind == "fake" and bool(colon) == bool(argument):
        images_nchw, labels_n = _fake(argument or str(FAKE_IMAGES))
        num_classes, may_flip = 10, True
    else:
        raise DatasetError("dataset", name, f"it must be {KNOWN}")
    return ImageDataset(
        name=name,
        images_nchw=images_nchw.contiguous(),
        labels_n=labels_n,
        num_classes=num_classes,
        may_flip=may_flip,
    )


def split(dataset: ImageDataset, fraction: float, generator: torch.Generator) -> tuple[ImageDataset, ImageDataset]:
    """Divide a data set at random into two that share no image.

    Args:
        dataset: at least two images.
        fraction: share of the images in the first part, between 0 and 1; each part gets at least one image.
        generator: on the CPU; decides which image goes where.

    Raises:
        DatasetError: there is only one image.
    """
    assert 0 < fraction < 1, fraction
    if len(dataset) < 2:
        raise DatasetError("dataset", dataset.name, "it must have at least 2 images to be divided")
    first = min(max(round(len(dataset) * fraction), 1), len(dataset) - 1)
    order_n = torch.randperm(len(dataset), generator=generator)
    return _select(dataset, order_n[:first]), _select(dataset, order_n[first:])


def subset(dataset: ImageDataset, max_images: int | None, generator: torch.Generator) -> ImageDataset:
    """Draw max_images images at random; the data set itself where it has no more than that, and for None."""
    if max_images is None or len(dataset) <= max_images:
        return dataset
    return _select(dataset, torch.randperm(len(dataset), generator=generator)[:max_images])


def _select(dataset: ImageDataset, index_n: Tensor) -> ImageDataset:
    return replace(dataset, images_nchw=dataset.images_nchw[index_n], labels_n=dataset.labels_n[index_n])


def _digits() -> tuple[Tensor, Tensor]:
    try:
        from sklearn.datasets import load_digits  # 1.4 s that other data sets do not pay
    except ImportError as error:
        raise DatasetError("dataset", "digits", f"scikit-learn must be installed for it ({error})") from error
    digits = load_digits()
    scans_n1hw = torch.from_numpy(digits.images).unsqueeze(1) * (255 / 16)
    images_n1hw = functional.interpolate(scans_n1hw, size=(32, 32), mode="bilinear", align_corners=False)
    return images_n1hw.round().to(torch.uint8), torch.from_numpy(digits.target).long()


def _fake(count: str) -> tuple[Tensor, Tensor]:
    if not re.fullmatch(r"\d{1,6}", count, re.ASCII) or not 1 <= int(count) <= _MAX_FAKE_IMAGES:
        allowed = f"the number of images must be an integer from 1 to {_MAX_FAKE_IMAGES}"
        raise DatasetError("dataset", f"fake:{count}", allowed)
    generator = seeded_generator(0, "fake images")
    images = torch.randint(256, (int(count), 3, 32, 32), generator=generator, dtype=torch.uint8)
    return images, torch.arange(int(count)) % 10
