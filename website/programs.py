"""The command lines of our programs, asked of the programs themselves.

``python -m website.programs`` reads command lines from standard input, a JSON list of words a line, for programs that
must not share a process with others.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any
from unittest import mock

KATIB_NAS = "katib-nas"
"""The one that is a command; all others are modules for ``python -m``."""


class _Stopped(BaseException):
    """Ends a program as soon as its command line is known; no program of ours catches it."""


def parser_of(program: str, argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser that a program makes.

    Args:
        program: `KATIB_NAS`, or a module's name.
        argv: what decides which, where a program has several.
    """
    found: list[argparse.ArgumentParser] = []

    def parse_args(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        found.append(parser)
        raise _Stopped

    _run(program, argv, parse_args)
    return found[0]


def parse(program: str, argv: Sequence[str]) -> argparse.Namespace:
    """Let a program read a command line, and stop it before it does anything else.

    Args:
        program: `KATIB_NAS`, or a module's name.
        argv: what follows its name.

    Raises:
        ValueError: it refuses.
    """
    found: list[argparse.Namespace] = []
    original = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, *arguments: Any, **named: Any) -> None:
        found.append(original(parser, *arguments, **named))
        raise _Stopped

    _run(program, argv, parse_args)
    if not found:
        raise ValueError(f"{program} refuses {list(argv)}")
    return found[0]


def module_of(program: str) -> str:
    """Return the module whose ``main`` a program is.

    Raises:
        ValueError: there is no such program.
    """
    if program == KATIB_NAS:
        return "katib_local.commands.cli"
    found = find_spec(program)
    if found is None:
        raise ValueError(f"there is no program {program}")
    return program if found.submodule_search_locations is None else f"{program}.__main__"


def _run(program: str, argv: Sequence[str], parse_args: Callable[..., None]) -> None:
    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args),
        mock.patch.object(sys, "argv", [program, *argv]),
        _no_variables_of_ours(),
        suppress(_Stopped, SystemExit),
    ):
        importlib.import_module(module_of(program)).main()


@contextmanager
def _no_variables_of_ours() -> Iterator[None]:
    """They would be defaults."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
    with mock.patch.dict(os.environ, others, clear=True):
        yield


if __name__ == "__main__":
    for line in sys.stdin:
        name, *rest = json.loads(line)
        parse(name, rest)
