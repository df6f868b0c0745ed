"""The paths in names of data sets, ``npz:PATH[,PATH…]``, ``imagefolder:PATH``, ``text:DIR``: trials run elsewhere."""

import glob
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from katib_suggestion.files.user_paths import user_path
from trial_runtime.data_dir import default_data_dir


def located(text: str, data_dir: str | os.PathLike[str] | None, base: Path | None = None) -> str:
    """Make the paths of a data set absolute: they are in a folder, in that of the data, or else meant for the first.

    Args:
        text: the data set, as a user names it.
        data_dir: folder of the data; None for the usual one.
        base: the folder; None for the working directory.
    """
    first = Path.cwd() if base is None else base
    folders = (first, user_path(data_dir) if data_dir else default_data_dir())

    def find(path: Path) -> Path:
        return next((folder / path for folder in folders if _is_there(folder / path)), first / path).absolute()

    return _with_paths(text, find)


def same_place(text: str) -> str:
    """Return a data set with its paths as they are on disk, so that other spellings of the same are equal."""
    return _with_paths(text, lambda path: Path(os.path.realpath(path)))


def of_user(environment: Mapping[str, str], base: Path | None = None) -> dict[str, str]:
    """Return the variables for a trial that name data, with their paths absolute.

    Args:
        environment: that names them.
        base: as for `located`.
    """
    data_dir = environment.get("KATIB_NAS_DATA_DIR")
    made = {
        name: str(Path(base or Path.cwd(), user_path(path)))
        for name in ("KATIB_NAS_DATA_DIR", "KATIB_NAS_SHARED_WEIGHTS")
        if (path := environment.get(name))
    }
    if dataset := environment.get("KATIB_NAS_DATASET"):
        made["KATIB_NAS_DATASET"] = located(dataset, data_dir and made["KATIB_NAS_DATA_DIR"], base)
    return made


def _with_paths(text: str, change: Callable[[Path], Path]) -> str:
    kind, _, paths = text.partition(":")
    if kind not in ("npz", "imagefolder", "text") or not paths:
        return text
    found = (user_path(path.strip()) for path in (paths.split(",") if kind == "npz" else [paths]))
    return f"{kind}:" + ",".join(str(change(path)) for path in found)


def _is_there(path: Path) -> bool:
    """Whether a path, which may be a glob pattern, names something."""
    return path.exists() or bool(glob.glob(str(path)))  # noqa: PTH207 - Path.glob takes no absolute pattern
