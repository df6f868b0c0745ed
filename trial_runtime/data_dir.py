"""Where data are when nothing is said. Standard library only."""

import os
from pathlib import Path


def default_data_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/katib-nas``, or ``~/.cache/katib-nas``."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(cache)) / "katib-nas"  # noqa: PTH111 - Path.expanduser raises without a home
