"""Files that a trial leaves behind."""

import importlib.metadata
import json
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from katib_suggestion.files import durable_files


def prepare_folder(path: Path) -> None:
    """Make a folder and write to it, so that one that refuses does so before the work and not after.

    Raises:
        OSError: the machine refuses.
    """
    durable_files.make_folder(path)
    with tempfile.TemporaryFile(dir=path) as file:
        file.write(b"\n")


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a file of JSON, with its folder; whoever reads it sees the old or the new one, never a part.

    Raises:
        OSError: the machine refuses.
        ValueError: a number is not finite.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    durable_files.write(path, text.encode())


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    try:
        found["katib-nas"] = importlib.metadata.version("katib-nas")
    except importlib.metadata.PackageNotFoundError:
        found["katib-nas"] = "run from a checkout that is not installed"
    return found
