"""Images of one's own, from picture files in a folder a class.

Legend of shapes: n images, c channels, h and w pixels.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from trial_runtime import memory
from trial_runtime.errors import DatasetError
from trial_runtime.progress import bar

EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Names of picture files, as torchvision's ImageFolder takes them, end in these; upper case counts as lower."""

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of what is decoded, whatever a file's name says; of others, EPS is a program that Pillow runs."""

MAX_PIXELS = 50_000_000
"""Most pixels of an image: a file of some kilobytes may hold any number of them, and all are decoded at once."""

_GREY = frozenset({"1", "L", "LA"})
"""Pillow's modes without colour."""
_DEEP = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})
"""Pillow's modes of more than 8 bits, which it would clip."""

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
    """List the training images of a folder: those of ``PATH/train`` where that is there, otherwise those of PATH.

    Each folder in it is a class, named by the folder, with files at any depth; labels follow the sorted names. Names
    that begin with a dot, and files that are no pictures by their names, are passed over.

    Args:
        path: PATH; a relative one is looked up from the working directory, then from data_dir.
        data_dir: see above.

    Raises:
        DatasetError: there is no such folder, there are fewer than two classes, one of them is empty, or a folder
            ``test`` stands among the classes.
    """
    root = _root(path, data_dir)
    folder = root / "train" if (root / "train").is_dir() else root
    classes = _subfolders(folder)
    if folder == root and "test" in classes:
        allowed = (
            f"no search may see test images: with {root / 'test'}, the training images must be in {root / 'train'}"
        )
        raise DatasetError("dataset", f"imagefolder:{path}", allowed)
    if len(classes) < 2:
        raise DatasetError(
            "dataset", f"imagefolder:{path}", f"{folder} must hold a folder for each of two or more classes"
        )
    return _listed(folder, classes, {name: label for label, name in enumerate(classes)})


def find_test(path: str, data_dir: Path) -> Pictures:
    """List the test images of a folder: those of ``PATH/test``, whose classes are among those of ``PATH/train``.

    Args:
        path: as for `find`.
        data_dir: as for `find`.

    Raises:
        DatasetError: there are none, a class is empty, or one has no training images.
    """
    root = _root(path, data_dir)
    if not (root / "train").is_dir() or not (root / "test").is_dir():
        allowed = f"no test images: they must be in {root / 'test'}, and the training images in {root / 'train'}"
        raise DatasetError("dataset", f"imagefolder:{path}", allowed)
    known = {name: label for label, name in enumerate(_subfolders(root / "train"))}
    classes = _subfolders(root / "test")
    if not classes:
        raise DatasetError("dataset", f"imagefolder:{path}", f"{root / 'test'} must hold a folder for each class")
    for name in classes:
        if name not in known:
            raise DatasetError(
                f"{root / 'test'}: class", name, f"the classes of {root / 'train'} are {', '.join(known)}"
            )
    return _listed(root / "test", classes, known)


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
        for image in bar(pool.map(partial(_decode, size=size), files), total=len(files), description="decoding images"):
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
        if image.shape[:2] != (height, width):
            found = "{1}x{0}".format(*image.shape)
            allowed = f"images must have one size, and {files[0]} has {width}x{height}; --image-size scales them"
            raise DatasetError(f"{file}: width x height", found, allowed)
        images_nchw[index] = image if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(images_nchw)


def _root(path: str, data_dir: Path) -> Path:
    for candidate in (Path(path), data_dir / path):
        if candidate.is_dir():
            return candidate
    raise DatasetError("dataset", f"imagefolder:{path}", f"no such folder, neither in {Path.cwd()} nor in {data_dir}")


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _listed(folder: Path, classes: Sequence[str], labels: dict[str, int]) -> Pictures:
    files: list[Path] = []
    file_labels: list[int] = []
    num_others = 0
    for name in classes:
        entries = [entry for entry in sorted((folder / name).rglob("*")) if _is_visible_file(entry, folder)]
        pictures = [entry for entry in entries if entry.suffix.lower() in EXTENSIONS]
        if not pictures:
            allowed = f"there must be a picture in it ({', '.join(sorted(EXTENSIONS))})"
            raise DatasetError(f"{folder}: class", name, allowed)
        num_others += len(entries) - len(pictures)
        files += pictures
        file_labels += [labels[name]] * len(pictures)
    if num_others:
        logger.info("%s: passed over %d files that are no pictures by their names", folder, num_others)
    return Pictures(files=files, labels=file_labels, classes=classes)


def _is_visible_file(entry: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in entry.relative_to(folder).parts) and entry.is_file()


def _decode(file: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return an image (H, W) if it is grey, otherwise (H, W, 3)."""
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                found = f"{opened.width}x{opened.height}"
                raise DatasetError(f"{file}: width x height", found, f"an image may have {MAX_PIXELS} pixels")
            if opened.mode in _DEEP:
                raise DatasetError(f"{file}: mode", opened.mode, "an image must have 8 bits a channel")
            image = ImageOps.exif_transpose(opened).convert("L" if opened.mode in _GREY else "RGB")
    except DatasetError:
        raise
    except Exception as error:  # whatever decoding damaged data comes to
        raise DatasetError("image", str(file), f"it must be an intact picture ({error})") from error
    if size is not None:
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)
