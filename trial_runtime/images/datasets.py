"""Images by name: those that a search trains and validates on, and, by a function of their own, those of the test set.

Legend of shapes: n images, c channels, h and w pixels.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from trial_runtime.data_dir import default_data_dir
from trial_runtime.errors import HOLD_OUT, DatasetError
from trial_runtime.images import folder, labels, npz, torchvision_sets
from trial_runtime.seeds import generator as seeded_generator

__all__ = [
    "DEFAULT_DATASET",
    "KNOWN",
    "DatasetError",
    "ImageDataset",
    "default_data_dir",
    "load",
    "load_test",
    "resized",
    "split",
    "subset",
]

DEFAULT_DATASET = "cifar10"
"""What Katib's published manifests expect."""

KNOWN = f"{', '.join(torchvision_sets.SOURCES)}, digits, imagefolder:PATH, npz:PATH, fake or fake:N"
"""The names that `load` knows, for messages."""

FAKE_IMAGES = 512
"""Images of the data set ``fake``."""

_MAX_FAKE_IMAGES = 100_000
_RESIZED_AT_ONCE = 1024
"""Images whose scaled copies take memory at a time."""


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
    class_names: tuple[str, ...] = ()
    """What each label means; none where the labels are all that is known."""
    given_labels: tuple[int, ...] | None = None
    """What each class is called in the data, where they were numbered anew; None where labels are as given."""

    def __post_init__(self) -> None:
        assert (self.images_nchw.dtype, self.labels_n.dtype) == (torch.uint8, torch.int64)
        assert self.images_nchw.ndim == 4, self.images_nchw.shape
        assert self.labels_n.shape == self.images_nchw.shape[:1] != (0,)
        assert 0 <= int(self.labels_n.min()) <= int(self.labels_n.max()) < self.num_classes
        assert len(self.class_names) in (0, self.num_classes)

    def __len__(self) -> int:
        return self.images_nchw.shape[0]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.images_nchw.shape
        return channels, height, width

    def summary(self) -> dict[str, int | tuple[int, int, int]]:
        """What a checkpoint keeps of them: with others, another trial would go on."""
        return {"images": len(self), "shape": self.image_shape, "classes": self.num_classes}


def load(
    name: str,
    data_dir: Path | None,
    *,
    size: tuple[int, int] | None = None,
    max_images: int | None = None,
    generator: torch.Generator | None = None,
    npz_layout: npz.Layout | None = None,
    remap_labels: bool = False,
) -> ImageDataset:
    """Load the training images of a data set.

    - ``cifar10``, ``cifar100``: 50,000 photographs, 3x32x32, 10 and 100 classes; ``svhn``: 73,257 house numbers,
      3x32x32, 10 classes; ``fashion-mnist``: 60,000 pieces of clothing, 1x28x28, 10 classes. Downloaded into data_dir
      where they are not there yet.
    - ``digits``: 1,797 scanned digits of scikit-learn, 1x32x32 (scaled up from 8x8), 10 classes; needs no network.
    - ``imagefolder:PATH``: your own files in a folder a class, see `folder.load`.
    - ``npz:PATH``: your own arrays, see `npz.load`.
    - ``fake``, ``fake:N``: N random images (512), 3x32x32, 10 classes, the same each time; for smoke tests.

    Args:
        name: one of the above.
        data_dir: folder of the data; None for `default_data_dir`.
        size: (H, W) to bring the images to, see `resized`; None leaves them as they are.
        max_images: draw that many at random; None for all.
        generator: on the CPU, for max_images.
        npz_layout: see `npz.load`.
        remap_labels: number those of ``npz:PATH`` anew from 0; otherwise they must be so, without gaps.

    Raises:
        DatasetError: the name is unknown, or the data are missing, broken or do not match each other.
    """
    data_dir = default_data_dir() if data_dir is None else data_dir
    kind, _, path = name.partition(":")
    if kind == "imagefolder" and path:
        pictures = folder.find(path, data_dir)
        if max_images is not None:  # only what is drawn is decoded
            pictures = pictures.subset(_draw(len(pictures.files), max_images, generator))
        return ImageDataset(
            name=name,
            images_nchw=folder.decode(pictures.files, size),
            labels_n=torch.tensor(pictures.labels),
            num_classes=len(pictures.classes),
            may_flip=True,
            class_names=tuple(pictures.classes),
        )
    if kind == "npz" and path:
        whole = _load_npz(name, path, data_dir, npz_layout, remap_labels=remap_labels)
    else:
        whole = _load_whole(name, data_dir)
    return resized(subset(whole, max_images, generator), size)


def load_test(
    training: ImageDataset,
    data_dir: Path | None,
    *,
    size: tuple[int, int] | None = None,
    npz_layout: npz.Layout | None = None,
) -> ImageDataset:
    """Load the test images that belong to training images: for what is trained after a search, never for the search.

    The data sets of torchvision have official ones. Those of ``npz:PATH`` and ``imagefolder:PATH`` are named ``test``,
    see `npz.load_test` and `folder.find_test`. Others have none.

    Args:
        training: as `load` returned it.
        data_dir: as for `load`.
        size: as for `load`.
        npz_layout: as for `load`.

    Raises:
        DatasetError: there are none, they are broken, or they do not match the training images.
    """
    data_dir = default_data_dir() if data_dir is None else data_dir
    kind, _, path = training.name.partition(":")
    channels, *_ = training.image_shape
    if kind in torchvision_sets.SOURCES:
        images_nchw, labels_n = torchvision_sets.load(kind, data_dir, train=False)
    elif kind == "npz":
        images_nhwc, labels_n = npz.load_test(path, data_dir, npz_layout)
        images_nchw = images_nhwc.permute(0, 3, 1, 2)
        if training.given_labels is not None:
            where = f"{training.name}: label of a test image"
            labels_n = labels.numbered_as(labels_n, training.given_labels, where)
    elif kind == "imagefolder":
        pictures = folder.find_test(path, data_dir)
        images_nchw = folder.decode(pictures.files, size, num_channels=channels)
        labels_n = torch.tensor(pictures.labels)
    else:
        raise DatasetError(
            "dataset",
            training.name,
            f"it has no test images: npz:PATH and imagefolder:PATH may have some, {HOLD_OUT}",
        )
    for label in (int(labels_n.min()), int(labels_n.max())):
        if not 0 <= label < training.num_classes:
            allowed = f"the training images have the labels 0 to {training.num_classes - 1}"
            raise DatasetError(f"{training.name}: label of a test image", label, allowed)
    test = resized(replace(training, images_nchw=images_nchw.contiguous(), labels_n=labels_n), size)
    if test.image_shape != training.image_shape:
        allowed = f"(C, H, W) must be that of the training images, {training.image_shape}"
        raise DatasetError(f"{training.name}: shape of a test image", test.image_shape, allowed)
    return test


def resized(dataset: ImageDataset, size: tuple[int, int] | None) -> ImageDataset:
    """Scale images until they cover (H, W), and cut off evenly what stands out; None leaves them as they are."""
    channels, *before = dataset.image_shape
    if size is None or tuple(before) == size:
        return dataset
    height, width = before
    scale = max(size[0] / height, size[1] / width)
    rows, columns = max(1, round(size[0] / scale)), max(1, round(size[1] / scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    images_nchw = torch.empty(len(dataset), channels, *size, dtype=torch.uint8)
    window_nchw = dataset.images_nchw[:, :, top : top + rows, left : left + columns]
    # torch's kernel for three channels of bytes fails an assertion at 1x1 pixels unless the channels come last.
    order = torch.channels_last if size == (1, 1) else torch.preserve_format
    for first in range(0, len(dataset), _RESIZED_AT_ONCE):
        part_nchw = window_nchw[first : first + _RESIZED_AT_ONCE].to(memory_format=order)
        scaled_nchw = functional.interpolate(part_nchw, size=size, mode="bilinear", antialias=True)
        images_nchw[first : first + _RESIZED_AT_ONCE] = scaled_nchw
    return replace(dataset, images_nchw=images_nchw)


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


def subset(dataset: ImageDataset, max_images: int | None, generator: torch.Generator | None) -> ImageDataset:
    """Draw max_images images at random; the data set itself where it has no more than that, and for None."""
    if max_images is None or len(dataset) <= max_images:
        return dataset
    return _select(dataset, _draw(len(dataset), max_images, generator))


def _draw(count: int, max_images: int, generator: torch.Generator | None) -> Tensor:
    assert generator is not None
    return torch.randperm(count, generator=generator)[:max_images]


def _select(dataset: ImageDataset, index_n: Tensor) -> ImageDataset:
    return replace(dataset, images_nchw=dataset.images_nchw[index_n], labels_n=dataset.labels_n[index_n])


def _load_npz(name: str, paths: str, data_dir: Path, layout: npz.Layout | None, *, remap_labels: bool) -> ImageDataset:
    images_nhwc, labels_n, may_flip = npz.load(paths, data_dir, layout)
    given: tuple[int, ...] | None = None
    where = f"{name}: y: labels"
    if remap_labels:
        labels_n, given = labels.numbered(labels_n, where)
    else:
        labels.check(labels_n, where)
    return ImageDataset(
        name=name,
        images_nchw=images_nhwc.permute(0, 3, 1, 2).contiguous(),
        labels_n=labels_n,
        num_classes=int(labels_n.max()) + 1,
        may_flip=may_flip,
        class_names=() if given is None else tuple(map(str, given)),
        given_labels=given,
    )


def _load_whole(name: str, data_dir: Path) -> ImageDataset:
    """Load a data set that has a name of its own."""
    kind, colon, argument = name.partition(":")
    if name in torchvision_sets.SOURCES:
        images_nchw, labels_n = torchvision_sets.load(name, data_dir, train=True)
        source = torchvision_sets.SOURCES[name]
        num_classes, may_flip = source.num_classes, source.may_flip
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
