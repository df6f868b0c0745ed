"""The command lines of our programs, asked of the programs themselves."""

import argparse
import importlib
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

KATIB_NAS = "katib-nas"
"""The one that is a command; all others are modules for ``python -m``."""


class _Stopped(BaseException):
    """Ends a program as soon as its command line is known; no program of ours catches it."""


def parser_of(program: str) -> argparse.ArgumentParser:
    """Return the parser that a program makes.

    Args:
        program: `KATIB_NAS`, or a module's name.
    """
    found: list[argparse.ArgumentParser] = []

    def parse_args(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        found.append(parser)
        raise _Stopped

    _run(program, [], parse_args)
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


def _run(program: str, argv: Sequence[str], parse_args: Callable[..., None]) -> None:
    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args),
        mock.patch.object(sys, "argv", [program, *argv]),
        _no_variables_of_ours(),
    ):
        try:
            if program == KATIB_NAS:
                importlib.import_module("katib_local.cli").main()
            else:
                runpy.run_module(program, run_name="__main__", alter_sys=False)
        except (_Stopped, SystemExit):
            pass


@contextmanager
def _no_variables_of_ours() -> Iterator[None]:
    """They would be defaults."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
    with mock.patch.dict(os.environ, others, clear=True):
        yield
