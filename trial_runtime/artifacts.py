"""Files that a trial leaves behind."""

import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch


def prepare_folder(path: Path) -> None:
    """Make a folder and write to it, so that one that refuses does so before the work and not after.

    Raises:
        OSError: the machine refuses.
    """
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path) as file:
        file.write(b"\n")


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a file of JSON, with its folder; whoever reads it sees the old or the new one, never a part.

    Raises:
        OSError: the machine refuses.
        ValueError: a number is not finite.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file, with its folder; whoever reads it sees the old or the new one, never a part, after any kill.

    Raises:
        OSError: the machine refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: what a kill left behind is gone with the next write.
    temporary = path.with_name(f".{path.name}.writing")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or a machine that loses power may come back with the old name
    finally:
        os.close(folder)


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    try:
        found["katib-nas"] = importlib.metadata.version("katib-nas")
    except importlib.metadata.PackageNotFoundError:
        found["katib-nas"] = "run from a checkout that is not installed"
    return found
