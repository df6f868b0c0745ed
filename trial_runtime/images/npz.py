"""Images of one's own, from numpy's .npz files."""

import glob
import logging
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trial_runtime import memory
from trial_runtime.errors import DatasetError

MAX_CLASSES = 65_536
"""One above the largest label; more is taken for a mistake, since a network gets an output for each."""

_MAX_RATIO = 500
_SMALL = 100_000_000
"""Bytes that are unpacked whatever they were packed into."""

logger = logging.getLogger(__name__)


def load(paths: str, data_dir: Path) -> tuple[Tensor, Tensor, bool]:
    """Read the images of one or several files, in the order of their names within a folder or pattern.

    Each file holds ``x``, uint8, (N, H, W, C) or (N, H, W), and ``y``, integers, (N,), from 0. An optional
    ``may_flip``, one boolean, says whether a mirrored image means the same; True where no file says otherwise.

    Args:
        paths: files, folders or glob patterns, separated by commas. A relative one is looked up from the working
            directory, then from data_dir. Of folders and patterns, files named ``test*`` are left out: no search may
            see test images.
        data_dir: see above.

    Returns:
        images (N, H, W, C) uint8, labels (N,) int64, may_flip.

    Raises:
        DatasetError: nothing is there, a file is broken, or files do not match each other.
    """
    return _joined(_find_all(paths, data_dir))


def load_test(paths: str, data_dir: Path) -> tuple[Tensor, Tensor]:
    """Read the test images: files named ``test*.npz`` in the folders of the training files, in the order of names.

    Args:
        paths: those of the training images, see `load`.
        data_dir: see `load`.

    Returns:
        images (N, H, W, C) uint8, labels (N,) int64.

    Raises:
        DatasetError: there are none, a file is broken, or files do not match each other.
    """
    training = _find_all(paths, data_dir)
    folders = dict.fromkeys(file.parent for file in training)
    files = [file for folder in folders for file in sorted(folder.glob("test*.npz")) if file not in training]
    if not files:
        where = ", ".join(map(str, folders))
        raise DatasetError("dataset", f"npz:{paths}", f"no test images: there is no other file test*.npz in {where}")
    images, labels, _ = _joined(files)
    return images, labels


def _joined(files: list[Path]) -> tuple[Tensor, Tensor, bool]:
    parts = [_read(file) for file in files]
    for file, (images_nhwc, _, _) in zip(files, parts, strict=True):
        expected = parts[0][0].shape[1:]
        if images_nhwc.shape[1:] != expected:
            allowed = f"every file must have images of one shape, (H, W, C) = {expected} in {files[0]}"
            raise DatasetError(f"{file}: x", images_nhwc.shape[1:], allowed)
    images = torch.from_numpy(np.concatenate([images for images, _, _ in parts]))
    labels = torch.from_numpy(np.concatenate([labels for _, labels, _ in parts]))
    return images, labels, all(may_flip for _, _, may_flip in parts)


def _find_all(paths: str, data_dir: Path) -> list[Path]:
    return [file for path in paths.split(",") for file in _find(path.strip(), data_dir)]


def _find(path: str, data_dir: Path) -> list[Path]:
    if not path:
        raise DatasetError("dataset", "npz:", "a path must stand before and after each comma")
    for candidate in (Path(path), data_dir / path):
        if candidate.is_file():
            return [candidate]
        pattern = str(Path(glob.escape(str(candidate))) / "*.npz") if candidate.is_dir() else str(candidate)
        found = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207 - may be absolute
        if found:
            return _without_tests(path, found)
    raise DatasetError("dataset", f"npz:{path}", f"no such .npz file, neither in {Path.cwd()} nor in {data_dir}")


def _without_tests(path: str, found: list[Path]) -> list[Path]:
    files = [file for file in found if not file.name.startswith("test")]
    if not files:
        raise DatasetError("dataset", f"npz:{path}", "there must be other files than test*, which no search may see")
    if len(files) < len(found):
        logger.info("%s: left out test images: %s", path, ", ".join(str(f) for f in found if f not in files))
    return files


def _read(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], bool]:
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            arrays = _arrays(file, archive)
    except DatasetError:
        raise
    except Exception as error:  # whatever unpacking damaged data comes to
        raise DatasetError("dataset", str(file), f"it must be an intact .npz file ({error})") from error
    for name in ("x", "y"):
        if name not in arrays:
            raise DatasetError(f"{file}: {name}", None, "the file must hold the arrays x (images) and y (labels)")
    return _images(file, arrays["x"]), _labels(file, arrays["y"], len(arrays["x"])), _may_flip(file, arrays)


def _arrays(file: Path, archive: zipfile.ZipFile) -> dict[str, NDArray[np.generic]]:
    """Unpack the arrays that are known; no pickle is ever read."""
    members = {name: f"{name}.npy" for name in ("x", "y", "may_flip") if f"{name}.npy" in archive.namelist()}
    infos = [archive.getinfo(member) for member in members.values()]
    num_bytes, num_packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if num_bytes > (room := memory.room_for_data()):
        raise DatasetError(f"{file}: bytes when unpacked", num_bytes, f"there is memory for {room}")
    if num_bytes > max(_SMALL, _MAX_RATIO * num_packed):
        allowed = f"no images are {_MAX_RATIO} times as large as the {num_packed} bytes that they are packed into"
        raise DatasetError(f"{file}: bytes when unpacked", num_bytes, allowed)
    arrays = {}
    for name, member in members.items():
        with archive.open(member) as stream:
            arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays


def _images(file: Path, x: NDArray[np.generic]) -> NDArray[np.uint8]:
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or 0 in x.shape:
        found = f"{x.dtype} {x.shape}"
        raise DatasetError(f"{file}: x", found, "it must be uint8 of shape (N, H, W, C) or (N, H, W), not empty")
    images: NDArray[np.uint8] = x.astype(np.uint8, copy=False)
    return images[..., np.newaxis] if x.ndim == 3 else images


def _labels(file: Path, y: NDArray[np.generic], num_images: int) -> NDArray[np.int64]:
    if y.dtype.kind not in "iu" or y.shape != (num_images,):
        found = f"{y.dtype} {y.shape}"
        raise DatasetError(f"{file}: y", found, f"it must be integers of shape ({num_images},), a label for each image")
    for label in (y.min(), y.max()):
        if not 0 <= int(label) < MAX_CLASSES:
            raise DatasetError(f"{file}: y", int(label), f"a label must be from 0 to {MAX_CLASSES - 1}")
    return y.astype(np.int64)


def _may_flip(file: Path, arrays: dict[str, NDArray[np.generic]]) -> bool:
    value = arrays.get("may_flip", np.array(True))
    if value.dtype != np.bool_ or value.size != 1:
        raise DatasetError(f"{file}: may_flip", f"{value.dtype} {value.shape}", "it must be one boolean")
    return bool(value.item())
