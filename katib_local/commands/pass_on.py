"""A command line whose rest is another program's."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from katib_local.errors import UsageError

_ALONE = frozenset({"--fresh", "--help", "-h"})
"""Flags of the trainers, and our own, that take no value."""


class PassingOn(argparse.ArgumentParser):
    """Says what is wrong in one line; of a command that passes on, flags that are not its own become ``others``.

    Attributes:
        passes_on: whether the command does.
    """

    passes_on = False

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Read a command line; see the class."""
        if not self.passes_on or args is None:
            return super().parse_known_args(args, namespace)
        found, others = super().parse_known_args(self._with_values(args), namespace)
        found.others = others
        return found, []

    def _with_values(self, args: Sequence[str]) -> list[str]:
        """Join flags of the other program with their values, which would be taken for arguments of this one."""
        words: list[str] = []
        is_waiting = False
        for word in args:
            if is_waiting and not word.startswith("--"):
                words[-1] += f"={word}"
                is_waiting = False
                continue
            words.append(word)
            is_flag = word.startswith("--") and "=" not in word and word not in _ALONE
            is_waiting = is_flag and word not in self._option_string_actions
        return words


def positive(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be an integer from 1 to {2**31 - 1}")
    return int(text)
