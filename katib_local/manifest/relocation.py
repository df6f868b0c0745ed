"""Paths of a container are others here: command and variables must name those.

A folder that a cluster would mount into a trial is one of the run, and a program of the image is one of the folder that
takes its place.
"""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from katib_local.manifest.template import Container

_ABSOLUTE = re.compile(r"(?<![\w./-])(?:/[\w.+-]+)+")
"""A path from the root, as a whole word among other text."""


def is_named(container: Container, folder: str) -> bool:
    """Tell whether the command or a variable of a container names a folder, or something in it."""
    pattern = _pattern(folder)
    return any(pattern.search(text) for text in (*container.argv, *container.environment.values()))


def relocate(container: Container, folder: str, to: str) -> Container:
    """Put another folder in the place of one, wherever the command or a variable of a container names it."""
    pattern = _pattern(folder)

    def moved(text: str) -> str:
        return pattern.sub(lambda _: to, text)

    return replace(
        container,
        argv=(*container.argv[:-1], moved(container.argv[-1])),
        environment={name: moved(value) for name, value in container.environment.items()},
    )


def to_program(container: Container, folder: Path) -> Container:
    """Put files of a folder, the working directory, in the place of absolute paths of the image in the command.

    Of ``/opt/mnist/train.py`` that is the longest of ``opt/mnist/train.py``, ``mnist/train.py`` and ``train.py`` that
    is there; a path that none of the folder's files takes the place of stays.
    """

    def moved(match: re.Match[str]) -> str:
        parts = PurePosixPath(match[0]).parts[1:]
        tails = ("/".join(parts[place:]) for place in range(len(parts)))
        return next((f"./{tail}" for tail in tails if (folder / tail).is_file()), match[0])

    return replace(container, argv=(*container.argv[:-1], _ABSOLUTE.sub(moved, container.argv[-1])))


def _pattern(folder: str) -> re.Pattern[str]:
    """The folder as a whole word among other text."""
    return re.compile(rf"(?<![\w./-]){re.escape(str(PurePosixPath(folder)))}(?![\w.-])")
