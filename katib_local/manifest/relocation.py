"""A folder that a cluster would mount into a trial is one of the run here: command and variables must name that one."""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from katib_local.manifest.template import Container


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


def _pattern(folder: str) -> re.Pattern[str]:
    """The folder as a whole word among other text."""
    return re.compile(rf"(?<![\w./-]){re.escape(str(PurePosixPath(folder)))}(?![\w.-])")
