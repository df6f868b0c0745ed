"""The network that a training has left: where it is, and what it says of itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from enas_trainer.architecture.loading import TRAINED
from katib_local.errors import RunFolderError
from katib_local.models.found import FOLDER
from katib_local.record import json_objects, run_folder
from katib_local.record.run_folder import RUNS

RECORD = TRAINED
WEIGHTS = "weights.safetensors"
MODEL = "model.onnx"
PROGRAM = "model.pt2"
CARD = "model-card.md"
"""Beside `RECORD`: what a training and its exports write."""


def find(path: Path | None) -> Path:
    """Find the folder of a training that is over.

    Args:
        path: it; the folder of the run, the trial or the search that it is of; or a run's name below `RUNS`. None takes
            the newest run there.

    Raises:
        RunFolderError: there is none.
    """
    named = run_folder.newest(None).path if path is None else path
    for folder in _places(named):
        if (folder / RECORD).is_file():
            return folder
    raise RunFolderError(f"{named} holds no trained network: katib-nas train {named} makes one")


def record(folder: Path) -> Mapping[str, Any]:
    """Return what a training says of its network.

    Raises:
        RunFolderError: it is broken.
    """
    return json_objects.read(folder / RECORD)


def exporter_of(folder: Path) -> str:
    """Return the module that exports a network.

    Raises:
        RunFolderError: see `record`.
    """
    return "enas_trainer.export" if "macro_network" in record(folder) else "darts_trainer.export"


def _places(path: Path) -> Iterator[Path]:
    for place in (path, RUNS / path):
        yield from (place, place / FOLDER)
