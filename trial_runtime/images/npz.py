"""Images of one's own, from numpy's .npz files."""

import enum
import glob
import logging
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trial_runtime import from_runner
from trial_runtime.devices import memory
from trial_runtime.errors import HOLD_OUT, DatasetError
from trial_runtime.images import splits
from trial_runtime.images.splits import Split

_MAX_RATIO = 500
_SMALL = 100_000_000
"""Bytes that are unpacked whatever they were packed into."""
_CHANNELS = (1, 3, 4)
"""Of grey pictures, of coloured ones, and of those with transparency."""

logger = logging.getLogger(__name__)


class Layout(enum.Enum):
    """Where an array of four axes has its channels."""

    NHWC = "nhwc"
    NCHW = "nchw"


def load(paths: str, data_dir: Path, layout: Layout | None = None) -> tuple[Tensor, Tensor, bool]:
    """Read the images of one or several files, in the order of their names within a folder or pattern.

    Each file holds ``x``, uint8, (N, H, W, C) or (N, H, W), and ``y``, integers, (N,), from 0. An optional
    ``may_flip``, one boolean, says whether a mirrored image means the same; True where no file says otherwise.

    Args:
        paths: files, folders or glob patterns, separated by commas. A relative one is looked up from the working
            directory, then from data_dir. Of folders and patterns, files of test images are left out, which no search
            may see: those named ``test*`` or with a word such as ``test`` in their names, in any case and spelling (see
            `splits`), and those to validate on where others are named as training images.
        data_dir: see above.
        layout: of arrays with four axes; None takes (N, H, W, C), and refuses what looks like (N, C, H, W).

    Returns:
        images (N, H, W, C) uint8, labels (N,) int64 of any values, may_flip.

    Raises:
        DatasetError: nothing is there, a file is broken, or files do not match each other.
    """
    return _joined(_find_all(paths, data_dir), layout)


def load_test(paths: str, data_dir: Path, layout: Layout | None = None) -> tuple[Tensor, Tensor]:
    """Read the test images, in the order of names: files named so in the folders of the training files, see `load`.

    Where there are none, those to validate on are taken.

    Args:
        paths: those of the training images, see `load`.
        data_dir: see `load`.
        layout: see `load`.

    Returns:
        images (N, H, W, C) uint8, labels (N,) int64.

    Raises:
        DatasetError: there are none, a file is broken, or files do not match each other.
    """
    training = _find_all(paths, data_dir)
    folders = dict.fromkeys(file.parent for file in training)
    others = [file for folder in folders for file in sorted(folder.glob("*.npz")) if file not in training]
    files = [file for file in others if _split(file) is Split.TEST] or [
        file for file in others if _split(file) is Split.VALIDATION
    ]
    if not files:
        where = ", ".join(map(str, folders))
        allowed = f"no test images: there is no other file test*.npz in {where}; {HOLD_OUT}"
        raise DatasetError("dataset", f"npz:{paths}", allowed)
    images, labels, _ = _joined(files, layout)
    return images, labels


def _joined(files: list[Path], layout: Layout | None) -> tuple[Tensor, Tensor, bool]:
    parts = [_read(file, layout) for file in files]
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
    for candidate in (from_runner.place(path), data_dir / path):
        if candidate.is_file():
            return [candidate]
        pattern = str(Path(glob.escape(str(candidate))) / "*.npz") if candidate.is_dir() else str(candidate)
        found = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207 - may be absolute
        if found:
            return _without_tests(path, found)
    allowed = f"no such .npz file{from_runner.searched(path, data_dir)}"
    raise DatasetError("dataset", f"npz:{path}", allowed)


def _without_tests(path: str, found: list[Path]) -> list[Path]:
    parts = {file: _split(file) for file in found}
    left_out = {Split.TEST, Split.VALIDATION} if Split.TRAINING in parts.values() else {Split.TEST}
    files = [file for file, split in parts.items() if split not in left_out]
    if not files:
        raise DatasetError("dataset", f"npz:{path}", "there must be other files than test*, which no search may see")
    if len(files) < len(found):
        logger.info("%s: left out test images: %s", path, ", ".join(str(f) for f in found if f not in files))
    return files


def _split(file: Path) -> Split | None:
    return Split.TEST if file.name.casefold().startswith("test") else splits.mentioned(file.stem)


def _read(file: Path, layout: Layout | None) -> tuple[NDArray[np.uint8], NDArray[np.int64], bool]:
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
    x, y = arrays["x"], arrays["y"]
    return _images(file, x, y, layout), _labels(file, y, len(x)), _may_flip(file, arrays)


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


def _images(file: Path, x: NDArray[np.generic], y: NDArray[np.generic], layout: Layout | None) -> NDArray[np.uint8]:
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or 0 in x.shape:
        found = f"{x.dtype} {x.shape}"
        raise DatasetError(f"{file}: x", found, "it must be uint8 of shape (N, H, W, C) or (N, H, W), not empty")
    images: NDArray[np.uint8] = x.astype(np.uint8, copy=False)
    if x.ndim == 3:
        return images[..., np.newaxis]
    if layout is Layout.NCHW:
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    if layout is None:
        _check_axes(file, x.shape, len(y) if y.ndim else 0)
    return images


def _check_axes(file: Path, shape: tuple[int, ...], num_labels: int) -> None:
    """Refuse images whose axes stand as other programs have them: they would be read as noise, without a word."""
    first, second, third, last = shape
    if first != num_labels == last and last not in _CHANNELS:
        allowed = f"with {num_labels} labels it looks like (H, W, C, N); save x.transpose(3, 0, 1, 2)"
        raise DatasetError(f"{file}: x", shape, allowed)
    if second in _CHANNELS and last not in _CHANNELS and last > second and third > second:
        allowed = (
            f"it must be (N, H, W, C), and looks like (N, C, H, W); save x.transpose(0, 2, 3, 1), or read it so with "
            f"--npz-layout nchw; --npz-layout nhwc if {second}x{third} pixels of {last} channels are meant"
        )
        raise DatasetError(f"{file}: x", shape, allowed)


def _labels(file: Path, y: NDArray[np.generic], num_images: int) -> NDArray[np.int64]:
    if y.dtype.kind not in "iu" or y.shape != (num_images,):
        found = f"{y.dtype} {y.shape}"
        allowed = f"it must be integers of shape ({num_images},), a label for each image{_mend(y, num_images)}"
        raise DatasetError(f"{file}: y", found, allowed)
    if int(y.max()) > np.iinfo(np.int64).max:
        raise DatasetError(f"{file}: y", int(y.max()), f"a label is at most {np.iinfo(np.int64).max}")
    return y.astype(np.int64)


def _mend(y: NDArray[np.generic], num_images: int) -> str:
    """Say how labels in another form of theirs become integers; empty where they are something else."""
    if y.dtype.kind not in "iufb" or y.ndim != 2 or len(y) != num_images:
        return ""
    return "; save y.reshape(-1).astype(int)" if y.shape[1] == 1 else "; save y.argmax(axis=1) if it is one-hot"


def _may_flip(file: Path, arrays: dict[str, NDArray[np.generic]]) -> bool:
    value = arrays.get("may_flip", np.array(True))
    if value.dtype != np.bool_ or value.size != 1:
        raise DatasetError(f"{file}: may_flip", f"{value.dtype} {value.shape}", "it must be one boolean")
    return bool(value.item())
