"""Objects of JSON that a trial or a training has left."""

import json
from pathlib import Path
from typing import Any

from katib_local.errors import RunFolderError


def read(path: Path) -> dict[str, Any]:
    """Return the object in a file.

    Raises:
        RunFolderError: the file holds none.
        OSError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path} is broken: {error}") from error
    if not isinstance(found, dict):
        raise RunFolderError(f"{path} is broken: it must be an object")
    return found
