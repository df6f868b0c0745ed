"""What a program lacks, told by the extra of ``pyproject.toml`` that brings it. Standard library only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn

EXIT_LACKING = 2
"""As for a wrong flag: the same command fails again."""


@contextmanager
def needed(extra: str, importer: str = "__main__") -> Iterator[None]:
    """Wrap a program's imports: where a package is not installed, end with a line that names the extra.

    Args:
        extra: that brings what is imported within.
        importer: the ``__name__`` of the module that imports. Where it is no program, who imports it gets the error.

    Raises:
        SystemExit: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if importer != "__main__":
            raise
        _end(extra, error.name)


def require(extra: str, module: str) -> None:
    """End the program as `needed` does, before the module is imported.

    Raises:
        SystemExit: it is not installed.
    """
    if find_spec(module) is None:
        _end(extra, module)


def _end(extra: str, module: str | None) -> NoReturn:
    sys.stderr.write(f"{module} is not installed: pip install 'katib-nas[{extra}]' brings what this program needs\n")
    raise SystemExit(EXIT_LACKING)
