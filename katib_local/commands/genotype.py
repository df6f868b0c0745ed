"""``katib-nas genotype``: show, convert or draw the cells that a DARTS search found."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from darts_genotype import forms, loading
from darts_genotype.recurrent import AnyGenotype
from katib_local.drawing import genotypes
from katib_local.record import results
from katib_local.showing import cells
from katib_suggestion.files.user_paths import user_path

_EPILOG = """\
A genotype is read in whichever form it is: JSON (genotype.json of a search, or what NNI exports), or Genotype(…)
anywhere in a text: Katib's metric (Best-Genotype=Genotype(normal=[[…), a log, a module such as cnn/genotypes.py of
quark0/darts.

A folder is the output of a search, that of a trial, runs/…/trials/NAME, or that of a run, for its best trial.

exit codes:
    0  done
    2  wrong use of a flag
    3  the text is no genotype, cannot be read, or cannot be written in that form
    5  the machine gave out: disk, permissions
  130  interrupted by Ctrl-C
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command, with its own commands, to those of ``katib-nas``."""
    genotype = commands.add_parser("genotype", help="Show, convert or draw what a DARTS search found.")
    subcommands = genotype.add_subparsers(required=True, metavar="COMMAND")
    parsers = {}
    for command in (show, convert, draw):
        parsers[command] = subcommands.add_parser(
            command.__name__,
            help=command.__doc__,
            description=command.__doc__,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parsers[command].set_defaults(command=command)
        parsers[command].add_argument(
            "genotype", metavar="GENOTYPE", help="a file, folder or text, or - for standard input"
        )
        which = parsers[command].add_mutually_exclusive_group()
        which.add_argument("--name", help="of several genotypes in a text, the one that is assigned to NAME")
        which.add_argument("--last", action="store_true", help="of several, the last one")
    parsers[convert].add_argument("--to", required=True, choices=forms.WRITERS, help="the form to write")
    parsers[draw].add_argument(
        "-o", "--output", required=True, type=_svg, metavar="FILE.svg", help="the picture; what is there is replaced"
    )


def show(arguments: argparse.Namespace) -> int:
    """Print the cells as tables."""
    cells.show(_load(arguments), Console())
    return 0


def convert(arguments: argparse.Namespace) -> int:
    """Print a genotype in another form."""
    sys.stdout.write(forms.WRITERS[arguments.to](_load(arguments)) + "\n")
    return 0


def draw(arguments: argparse.Namespace) -> int:
    """Draw the cells as an SVG picture."""
    picture = genotypes.draw(_load(arguments))
    arguments.output.write_text(picture, encoding="utf-8")
    return 0


def _load(arguments: argparse.Namespace) -> AnyGenotype:
    name, last = arguments.name, arguments.last
    if arguments.genotype == "-":
        return forms.read(loading.text_of(sys.stdin.buffer, "standard input"), name=name, last=last)
    return loading.load(results.of(arguments.genotype), name=name, last=last)


def _svg(text: str) -> Path:
    if not text.endswith(".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must end in .svg")
    return user_path(text)
