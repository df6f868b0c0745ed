"""Files of an earlier version, to be read by this one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / "data/0.1.0"


@pytest.fixture(scope="session")
def kept() -> Path:
    """The folder of what 0.1.0 wrote; nothing there may change."""
    return KEPT


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Copy a folder of it, to go on with."""
    return lambda name: Path(shutil.copytree(KEPT / name, tmp_path_factory.mktemp("kept") / Path(name).name))
