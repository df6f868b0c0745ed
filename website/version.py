"""Write the version of ``pyproject.toml`` wherever one of our images is named: ``python -m website.version``."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FILES = ("README.md", "docs/**/*.md", "examples/**/*.yaml", "examples/**/*.ipynb", "manifests/**/*.yaml")

_IMAGE = re.compile(r"(katib-nas/[\w${},-]+:|newTag: )(\d+\.\d+\.\d+\w*)")
"""A name with its tag, or what Kustomize puts in the place of one."""


def current() -> str:
    """The one place that says it."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def files() -> Iterator[Path]:
    """All that users read or apply."""
    for pattern in _FILES:
        yield from sorted(ROOT.glob(pattern))


def tags(path: Path) -> list[str]:
    """The version of each image that a file names."""
    return [tag for _, tag in _IMAGE.findall(path.read_text())]


if __name__ == "__main__":
    for file in files():
        file.write_text(_IMAGE.sub(rf"\g<1>{current()}", file.read_text()))
