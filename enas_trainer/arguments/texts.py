"""The two texts of an architecture on a trial's command line, and what kind it is, on which the other flags depend."""

import argparse
from collections.abc import Sequence

from enas_trainer.architecture import loading, search_for
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.arguments import choices
from trial_runtime import command_line, from_runner
from trial_runtime.command_line import CommandLineError


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `read` reads."""
    architecture = "rows of the architecture, as JSON; a file; or what a trial left, by its folder or the run's"
    parser.add_argument("--architecture", help=architecture)
    parser.add_argument("--nn_config", help="sizes and operations, likewise; without it, those that the trial left")
    parser.add_argument(
        "--choices", help="in the place of both: each choice by its name, as JSON (see katib-nas flatten)"
    )


def read(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return ``architecture`` and ``nn_config``, as given or of the choices.

    Raises:
        CommandLineError: a flag is missing, or one too many.
        InvalidNetwork: see `choices.read` and `loading.load`.
    """
    if arguments.choices is not None:
        if (arguments.architecture, arguments.nn_config) != (None, None):
            raise CommandLineError("--choices stands in the place of --architecture and --nn_config, not beside them")
        return choices.read(arguments.choices)
    if arguments.architecture is None:
        raise CommandLineError(
            "the following arguments are required: --architecture, --nn_config; or --choices instead"
        )
    return loading.load(arguments.architecture, arguments.nn_config, from_runner.base_dir())


def kind_of(argv: Sequence[str]) -> str:
    """Return what a command line's architecture is, one of `search_for.KINDS`; what is none is left to its reader."""
    parser = command_line.Parser(add_help=False, allow_abbrev=False)
    add_flags(parser)
    try:
        arguments = parser.parse_known_args(argv)[0]
        if arguments.choices is not None or arguments.nn_config is None:
            return search_for.of(read(arguments)[1])
        # Alone: what is wrong with the architecture is told by the reader of its kind.
        return search_for.of(loading.part(arguments.nn_config, "nn_config", from_runner.base_dir()))
    except (CommandLineError, InvalidNetwork):
        return search_for.MACRO
