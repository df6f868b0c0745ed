"""Paths as people type them. Standard library only: every command line reads its paths by this."""

import os
from pathlib import Path


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path, with ``~`` or ``~USER`` at its start replaced by that home folder.

    A shell does so itself, but not within a word: ``--output-dir=~/out`` and ``npz:~/images.npz`` arrive as they are,
    and so does what stands in a variable or in quotes. Without such a home folder the path stays as it is.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises without a home
