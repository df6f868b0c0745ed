"""What a runner tells a trial beside its command line; on a cluster nobody does."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from katib_suggestion.files.user_paths import user_path

OVERRIDES = "KATIB_NAS_OVERRIDES"
"""An object of flags and their texts in JSON, which go before those of the command."""

MANIFEST_DIR = "KATIB_NAS_MANIFEST_DIR"
"""The folder that relative paths of the command count from, in place of the working directory."""


def overrides(known: Sequence[str]) -> list[str]:
    """Return what to append to a command line, so that it counts; flags that are not known are left out."""
    given = json.loads(os.environ.get(OVERRIDES) or "{}")
    return [f"{flag}={text}" for flag, text in given.items() if flag in known]


def base_dir() -> Path:
    """Return the folder that relative paths count from."""
    return Path(os.environ.get(MANIFEST_DIR) or Path.cwd())


def searched(path: str | Path, data_dir: Path) -> str:
    """Say where a path was looked for, as the end of a sentence."""
    return "" if user_path(path).is_absolute() else f", neither in {base_dir()} nor in {data_dir}"


def place(path: str | Path) -> Path:
    """Return a path of the command line as one that counts from the working directory."""
    return Path(os.environ.get(MANIFEST_DIR) or "", user_path(path))
