"""The shell commands that our pages tell readers to type."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "benchmarks/results/*.md", ".github/**/*.md")

_BLOCK = re.compile(r"^( *)```(sh|console)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_PROMPT = "$ "


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command of a page."""

    page: str
    """Path from the root of the repository."""
    line: int
    """Where it begins there."""
    text: str
    """As it stands there, in several lines if need be."""


def commands(root: Path) -> list[Command]:
    """Return the commands of all ``sh`` and ``console`` blocks, in the order of the pages.

    Args:
        root: of the repository.
    """
    pages = sorted({path for pattern in PAGES for path in root.glob(pattern)})
    return [command for page in pages for command in of_page(page.read_text(), page.relative_to(root).as_posix())]


def of_page(text: str, page: str) -> Iterator[Command]:
    """Yield the commands of a page; in a ``console`` block only what follows a prompt is one."""
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(3)) + 1
        lines = [line.removeprefix(block[1]) for line in block[3].splitlines()]
        if block[2] == "console":
            lines = _typed(lines)
        begun: list[str] = []
        for place, line in enumerate(lines):
            begun.append(line)
            if _is_whole(whole := "\n".join(begun)):
                if line.strip() and not whole.lstrip().startswith("#"):
                    yield Command(page=page, line=first + place - len(begun) + 1, text=whole)
                begun = []
        if begun:
            raise ValueError(f"{page}, line {first}: the last command does not end: {begun}")


def _typed(lines: list[str]) -> list[str]:
    """The lines of a session with empty ones in the place of what was printed."""
    typed: list[str] = []
    for line in lines:
        goes_on = bool(typed) and typed[-1].endswith("\\")
        typed.append(line.removeprefix(_PROMPT) if line.startswith(_PROMPT) or goes_on else "")
    return typed


def _is_whole(text: str) -> bool:
    """Whether a shell would run it, or wait for more lines."""
    if text.endswith("\\"):
        return False
    # A here-document without its end is a mere warning.
    checked = subprocess.run(["/bin/bash", "-n", "-c", text], capture_output=True, check=False)
    return checked.returncode == 0 and not checked.stderr
