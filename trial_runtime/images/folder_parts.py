"""Which folder of a data set of pictures holds the training images, and which the test images.

A folder ``test`` that is taken for a class would let a search see test images and count as a class, without a word. So
folders that are named as parts of a data set are parts, and where that may be wrong the reader is asked.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trial_runtime.errors import DatasetError
from trial_runtime.images import splits
from trial_runtime.images.splits import Split

EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Names of picture files, as torchvision's ImageFolder takes them, end in these; upper case counts as lower."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The folders of a data set; each holds a folder a class."""

    training: Path
    """The root itself, where that is not divided."""
    tests: tuple[Path, ...]
    """Test images or, where there are none, those to validate on."""


def find(root: Path) -> Parts:
    """Tell training from test images by the names of the folders.

    ``Training``, ``TEST_SET``, ``val`` or ``hold-out`` are parts as ``train`` and ``test`` are; see `splits`.

    Raises:
        DatasetError: there are test images but no training images, several training parts, or classes beside a
            training part; or the parts stand inside the classes.
    """
    folders = subfolders(root)
    parts = _parts(root, folders)
    training = [name for name, split in parts.items() if split is Split.TRAINING]
    if not parts:
        _check_classes(root, folders)
        return Parts(training=root, tests=())
    if len(training) != 1:
        raise _without_training(root, training or list(parts))
    others = [name for name in folders if name not in parts and _holds_pictures(root / name)]
    if others:
        if len(parts) == 1:
            raise _beside_classes(root, training[0], others)
        logger.warning("%s: passed over %s, since %s are parts of the data", root, _listed(others), _listed(parts))
    tests = [root / name for name, split in parts.items() if split is Split.TEST]
    validation = [root / name for name, split in parts.items() if split is Split.VALIDATION]
    return Parts(training=root / training[0], tests=tuple(tests or validation))


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden ones."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def is_visible_file(entry: Path, folder: Path) -> bool:
    """Tell whether something below a folder is a file, and no part of its path there is hidden."""
    return not any(part.startswith(".") for part in entry.relative_to(folder).parts) and entry.is_file()


def _parts(root: Path, folders: list[str]) -> Mapping[str, Split]:
    """The folders that are parts of the data by their names; none where all of them are classes."""
    named = {name: split for name in folders if (split := splits.named(name))}
    if Split.TRAINING in named.values():
        return named
    divided = [name for name in folders if subfolders(root / name)]
    mentioned = {name: split for name in divided if (split := splits.mentioned(name))}
    # A class may be called "toy train", but hardly beside one called "test tube", and neither holds folders.
    if Split.TRAINING in mentioned.values() and len(set(mentioned.values())) > 1:
        return mentioned
    # A class may also be called "valid", beside "invalid".
    return {name: split for name, split in named.items() if split is Split.TEST or name in divided}


def _check_classes(root: Path, folders: list[str]) -> None:
    for name in folders:
        inner = {split: inner for inner in subfolders(root / name) if (split := splits.named(inner))}
        if Split.TRAINING in inner and len(inner) > 1:
            allowed = (
                f"no search may see test images, and this class holds {_listed(inner.values())}: the parts must be the "
                f"outer folders, such as {root / inner[Split.TRAINING] / name}"
            )
            raise DatasetError(f"{root}: class", name, allowed)


def _without_training(root: Path, found: list[str]) -> DatasetError:
    allowed = (
        f"no search may see test images: with {_listed(found)} in {root}, the training images must be in one folder, "
        f"{root / 'train'}; if all folders of {root} are classes, they must be in a folder {root / 'train'}, too"
    )
    return DatasetError("dataset", f"imagefolder:{root}", allowed)


def _beside_classes(root: Path, training: str, others: list[str]) -> DatasetError:
    allowed = (
        f"{training} is named as training images are, but beside it there are pictures in {_listed(others)}: if all of "
        f"these are classes, put them into a folder train ({root / 'train' / training}, {root / 'train' / others[0]}); "
        f"if {training} is the training part, put the others elsewhere"
    )
    return DatasetError("dataset", f"imagefolder:{root}", allowed)


def _holds_pictures(folder: Path) -> bool:
    return any(entry.suffix.lower() in EXTENSIONS and is_visible_file(entry, folder) for entry in folder.rglob("*"))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
