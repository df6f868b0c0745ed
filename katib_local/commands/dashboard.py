"""``katib-nas dashboard``: a program of its own takes the place of this one."""

import argparse
import os
import sys
from typing import Any, NoReturn


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to those of ``katib-nas``."""
    parser = commands.add_parser(
        "dashboard",
        help=dashboard.__doc__,
        description=f"{dashboard.__doc__} Its flags are those of python -m dashboard.",
        add_help=False,
        # No word begins with it, so that all of them are handed over, flags too.
        prefix_chars="\0",
    )
    parser.add_argument("arguments", nargs="*", metavar="FLAG", help="of python -m dashboard; --help lists them")
    parser.set_defaults(command=dashboard)


def dashboard(arguments: argparse.Namespace) -> NoReturn:
    """Serve pages that follow experiments: the runs on this machine, or a cluster's."""
    # Not from the working directory, where a folder of the user's may have the same name.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "dashboard", *arguments.arguments])  # noqa: S606
