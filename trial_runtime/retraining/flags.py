"""The flags of a training of what was found: settings with their bounds, and whose weights are the result."""

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from katib_suggestion.parsing import settings
from trial_runtime.command_line import CommandLineError
from trial_runtime.devices.precision import PRECISIONS
from trial_runtime.retraining.records import CHOICES, LAST

T = TypeVar("T")


def add_settings(parser: argparse.ArgumentParser, title: str, kind: type[Any], texts: Mapping[str, str]) -> None:
    """Add a flag for each field of a dataclass of settings.

    Args:
        parser: the trainer's.
        title: of the group.
        kind: its fields are made by `katib_suggestion.parsing.settings`.
        texts: what each field is, by its name.
    """
    group = parser.add_argument_group(title)
    for field in dataclasses.fields(kind):
        group.add_argument(flag(field.name), metavar="N", help=f"{texts[field.name]} (default: {field.default:g})")


def parsed(kind: type[T], arguments: argparse.Namespace) -> T:
    """Read a dataclass of settings out of a parsed command line that has a flag for each field.

    Raises:
        InvalidExperiment: a setting is out of its bounds.
    """
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    given = [(name, text) for name in names if (text := getattr(arguments, name)) is not None]
    return settings.parse(kind, given, place=flag)


def flag(name: str) -> str:
    """Return the flag of a setting."""
    return "--" + name.replace("_", "-")


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add ``--precision``."""
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=PRECISIONS[0], help="of the passes (default: %(default)s)"
    )


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Add ``--keep``."""
    parser.add_argument(
        "--keep", choices=CHOICES, default=CHOICES[0],
        help="whose weights are the result: the last epoch's, or those that validated best (default: %(default)s)",
    )  # fmt: skip


def keep(arguments: argparse.Namespace) -> str:
    """Read ``--keep``.

    Raises:
        CommandLineError: it asks for those that validated best, and no images are held out.
    """
    if arguments.keep != LAST and arguments.train_portion == 1:
        raise CommandLineError(
            f"--keep: {arguments.keep} is not allowed: no images are held out to validate on; --train-portion .8 does"
        )
    return str(arguments.keep)
