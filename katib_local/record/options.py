"""What a run is told on the command line, beyond its manifest."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from katib_local.errors import RunFolderError, UsageError
from katib_local.manifest.images import is_known
from katib_local.record import dataset_paths
from katib_suggestion.files.user_paths import user_path

_RENEWABLE = ("manifest", "suggestion", "parallel", "objective")
"""Options that may change while a run is resumed."""

_SIZE = r"[1-9]\d{0,3}(x[1-9]\d{0,3})?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options that decide what a run computes, and how; a resumed run keeps them."""

    manifest: str | None = None
    """The manifest's file, absolute; None for one that was made in Python, or piped in. What it says is kept apart."""
    dataset: str | None = None
    """For ``KATIB_NAS_DATASET``; None leaves it to the trials."""
    data_dir: str | None = None
    """For ``KATIB_NAS_DATA_DIR``, absolute."""
    image_size: str | None = None
    """For ``KATIB_NAS_IMAGE_SIZE``: N or HxW."""
    max_images: int | None = None
    """For ``KATIB_NAS_MAX_IMAGES``."""
    shared_weights: str | None = None
    """For ``KATIB_NAS_SHARED_WEIGHTS``, absolute."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Container images, and what takes their place: an absolute folder with its programs, or an image that is known."""
    objective: str | None = None
    """File of a Python function that the trials call; None for trials that are programs."""
    suggestion: str | None = None
    """Address of a suggestion service that runs already; None starts one."""
    seed: int | None = None
    """Of the suggestion service and, with its assignments, of each trial; None draws them."""
    parallel: int | None = None
    """Trials at a time; None leaves it to the manifest."""

    def __post_init__(self) -> None:
        for name, minimum in (("max_images", 1), ("seed", 0), ("parallel", 1)):
            value = getattr(self, name)
            if value is not None and not minimum <= value < 2**31:
                raise UsageError(
                    f"{name}: {value!r} is not allowed: it must be an integer from {minimum} to {2**31 - 1}"
                )
        if self.image_size is not None and not re.fullmatch(_SIZE, self.image_size, re.ASCII):
            allowed = "it must be N or HxW, each from 1 to 9999"
            raise UsageError(f"image_size: {self.image_size!r} is not allowed: {allowed}")
        if self.suggestion is not None and not is_address(self.suggestion):
            raise UsageError(f"suggestion: {self.suggestion!r} is not allowed: it must be HOST:PORT")

    def to_json(self) -> str:
        """Write the options down, for `from_json`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps({**values, "images": dict(self.images)})

    @classmethod
    def from_json(cls, text: str) -> "Options":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))

    def resumed_from(self, stored: "Options") -> "Options":
        """Take over what a run was started with; what is given again must be the same.

        Some may be given anew: files and services may move, and parallelTrialCount may be edited in a manifest too.

        Raises:
            RunFolderError: an option differs from that of the run's start.
        """
        for item in fields(self):
            given, before = getattr(self, item.name), getattr(stored, item.name)
            if item.name not in _RENEWABLE and given not in (None, {}) and not _are_same(item.name, given, before):
                flag = "--" + item.name.removesuffix("s" if item.name == "images" else "").replace("_", "-")
                raise RunFolderError(f"{flag}: {_shown(given)} is not what the run was started with, {_shown(before)}")
        return replace(stored, **{name: getattr(self, name) or getattr(stored, name) for name in _RENEWABLE})


def image_target(text: str) -> str:
    """Return what takes an image's place: a folder, made absolute, or an image that is known.

    Raises:
        ValueError: it is neither.
    """
    folder = user_path(text)
    if text and folder.is_dir():
        return str(folder.absolute())
    if not is_known(text):
        raise ValueError(f"{text!r} is not allowed: it must be a folder, or an image that is known")
    return text


def is_address(text: str) -> bool:
    """Tell whether a text is HOST:PORT."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def absolute(path: Path | None) -> str | None:
    """Make a path absolute: the trials run in other folders."""
    return None if path is None else str(path.absolute())


def _are_same(name: str, given: Any, before: Any) -> bool:
    """Whether an option means the same as before, however its folders are spelled."""
    if given == before or before is None:
        return bool(given == before)
    if name == "dataset":
        return dataset_paths.same_place(given) == dataset_paths.same_place(before)
    if name in ("data_dir", "shared_weights"):
        return _place(given) == _place(before)
    if name != "images":
        return False
    places = [{image: _place(target) for image, target in images.items()} for images in (given, before)]
    return places[0] == places[1]


def _place(text: str) -> str:
    """A folder as it is on disk; what is none is an image's name."""
    return str(Path(text).resolve()) if Path(text).is_absolute() else text


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={folder}" for name, folder in value.items()) or "none"
    return "none" if value is None else str(value)
