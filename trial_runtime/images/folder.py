"""Images of one's own, from picture files in a folder a class.

Legend of shapes: n images, c channels, h and w pixels.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trial_runtime import from_runner
from trial_runtime.devices import memory
from trial_runtime.errors import HOLD_OUT, DatasetError
from trial_runtime.images import folder_parts
from trial_runtime.images import pictures as picture_files
from trial_runtime.images.folder_parts import EXTENSIONS, is_visible_file, subfolders
from trial_runtime.images.pictures import pixels
from trial_runtime.reporting.progress import bar

_UNREAD = frozenset({".gif", ".heic", ".heif", ".avif", ".jfif", ".jp2", ".tga", ".ico", ".svg", ".dng"})
"""Names of other pictures, which nothing here decodes, end in these, among others."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """Files that are not decoded yet."""

    files: Sequence[Path]
    labels: Sequence[int]
    """Index of each file's class."""
    classes: Sequence[str]
    """Names of the class folders, sorted."""

    def subset(self, index_n: Tensor) -> "Pictures":
        """Select files by their index."""
        index = index_n.tolist()
        return Pictures(
            files=[self.files[i] for i in index], labels=[self.labels[i] for i in index], classes=self.classes
        )


def find(path: str, data_dir: Path) -> Pictures:
    """List the training images of a folder: those of its training part where it is divided, otherwise all.

    Each folder there is a class, named by the folder, with files at any depth; labels follow the sorted names. Names
    that begin with a dot, and files that are no pictures by their names, are passed over.

    Args:
        path: the folder; a relative one is looked up from `from_runner.base_dir`, then from data_dir. It is divided
            where it holds ``train`` and ``test``, however they are spelled: see `folder_parts.find`.
        data_dir: see above.

    Raises:
        DatasetError: there is no such folder, there are fewer than two classes, one of them is empty, or it cannot be
            told which images are for training.
    """
    root = _root(path, data_dir)
    folder = folder_parts.find(root).training
    if folder != root:
        logger.info("%s: the training images are those of %s", root, folder.name)
    classes = subfolders(folder)
    if len(classes) < 2:
        raise DatasetError(
            "dataset", f"imagefolder:{path}", f"{folder} must hold a folder for each of two or more classes"
        )
    return _listed(folder, classes, {name: label for label, name in enumerate(classes)})


def find_test(path: str, data_dir: Path) -> Pictures:
    """List the test images of a folder, whose classes are among those of its training images.

    Where it has no part to test on, that to validate on is taken.

    Args:
        path: as for `find`.
        data_dir: as for `find`.

    Raises:
        DatasetError: there are none, or several parts of them; a class is empty, or one has no training images.
    """
    root = _root(path, data_dir)
    parts = folder_parts.find(root)
    if not parts.tests:
        where = f"they must be in {root / 'test'}, and the training images in {root / 'train'}"
        allowed = f"no test images: {where}; {HOLD_OUT}"
        raise DatasetError("dataset", f"imagefolder:{path}", allowed)
    if len(parts.tests) > 1:
        allowed = f"there must be one folder of test images, and there are {', '.join(map(str, parts.tests))}"
        raise DatasetError("dataset", f"imagefolder:{path}", allowed)
    test = parts.tests[0]
    known = {name: label for label, name in enumerate(subfolders(parts.training))}
    classes = subfolders(test)
    if not classes:
        raise DatasetError("dataset", f"imagefolder:{path}", f"{test} must hold a folder for each class")
    for name in classes:
        if name not in known:
            raise DatasetError(f"{test}: class", name, f"the classes of {parts.training} are {', '.join(known)}")
    logger.info("%s: the test images are those of %s", root, test.name)
    return _listed(test, classes, known)


def decode(files: Sequence[Path], size: tuple[int, int] | None, *, num_channels: int | None = None) -> Tensor:
    """Read picture files, turned upright where a camera says how.

    Args:
        files: at least one.
        size: (H, W); each is scaled until it covers this, and what stands out is cut off evenly. With None all must
            have one size.
        num_channels: 1 or 3; None for 3 where any file has colour, otherwise 1. Transparency is dropped.

    Returns:
        (N, C, H, W), uint8.

    Raises:
        DatasetError: a file is broken, has more than 8 bits a channel, or does not match the others.
    """
    logger.info("decoding %d images", len(files))
    room = memory.room_for_data()
    images: list[NDArray[np.uint8]] = []
    pool = ThreadPoolExecutor()  # Pillow decodes without Python's lock
    try:
        for image in bar(pool.map(partial(pixels, size=size), files), total=len(files), description="decoding images"):
            images.append(image)
            room -= image.nbytes
            if room < 0:
                allowed = "there is no memory for more; --image-size and --max-images make less of them"
                raise DatasetError(f"{files[0].parent.parent}: images decoded", len(images), allowed)
    finally:
        pool.shutdown(cancel_futures=True)
    colour = next((file for file, image in zip(files, images, strict=True) if image.ndim == 3), None)
    if num_channels == 1 and colour is not None:
        raise DatasetError("image", str(colour), "it must be grey, as the training images are")
    height, width = images[0].shape[:2]
    channels = num_channels or (1 if colour is None else 3)
    images_nchw = np.empty((len(files), channels, height, width), dtype=np.uint8)
    for index, (file, image) in enumerate(zip(files, images, strict=True)):
        _check_size(file, image.shape[:2], files[0], (height, width))
        images_nchw[index] = image if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(images_nchw)


def shape(files: Sequence[Path], size: tuple[int, int] | None) -> tuple[int, int, int]:
    """Return (C, H, W) of what `decode` would return, by the heads of the files alone.

    Raises:
        DatasetError: a file is no picture, or they have several sizes and are to be brought to none.
    """
    with ThreadPoolExecutor() as pool:
        heads = list(pool.map(partial(picture_files.head, size=size), files))
    _, height, width = heads[0]
    for file, (_, *found) in zip(files, heads, strict=True):
        _check_size(file, found, files[0], [height, width])
    return max(channels for channels, _, _ in heads), height, width


def _check_size(file: Path, found: Sequence[int], first: Path, expected: Sequence[int]) -> None:
    if list(found) != list(expected):
        allowed = "images must have one size, and {2} has {1}x{0}; --image-size scales them".format(*expected, first)
        raise DatasetError(f"{file}: width x height", "{1}x{0}".format(*found), allowed)


def _root(path: str, data_dir: Path) -> Path:
    for candidate in (from_runner.place(path), data_dir / path):
        if candidate.is_dir():
            return candidate
    allowed = f"no such folder{from_runner.searched(path, data_dir)}"
    raise DatasetError("dataset", f"imagefolder:{path}", allowed)


def _listed(folder: Path, classes: Sequence[str], labels: dict[str, int]) -> Pictures:
    files: list[Path] = []
    file_labels: list[int] = []
    left_out: Counter[str] = Counter()
    for name in classes:
        entries = [entry for entry in sorted((folder / name).rglob("*")) if is_visible_file(entry, folder)]
        pictures = [entry for entry in entries if entry.suffix.lower() in EXTENSIONS]
        others = Counter(entry.suffix.lower() for entry in entries if entry not in pictures)
        if not pictures:
            there = f"; there are {_counted(others)}" if others else ""
            allowed = f"there must be a picture in it ({', '.join(sorted(EXTENSIONS))}){there}"
            raise DatasetError(f"{folder}: class", name, allowed)
        left_out += others
        files += pictures
        file_labels += [labels[name]] * len(pictures)
    if left_out:
        # Whoever has pictures of another kind would think that they are searched.
        level = logging.WARNING if _UNREAD & left_out.keys() else logging.INFO
        endings = ", ".join(sorted(EXTENSIONS))
        logger.log(level, "%s: left out %s; what is read ends in %s", folder, _counted(left_out), endings)
    return Pictures(files=files, labels=file_labels, classes=classes)


def _counted(endings: Counter[str]) -> str:
    return ", ".join(f"{count} {ending or 'without an ending'}" for ending, count in sorted(endings.items()))
