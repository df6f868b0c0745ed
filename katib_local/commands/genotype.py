"""``katib-nas genotype``: show, convert or draw the cells that a DARTS search found."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from darts_genotype import forms, loading
from darts_genotype.genotype import NUM_INPUTS, Cell
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype
from katib_local.drawing import genotypes
from katib_local.record import results
from katib_suggestion.user_paths import user_path

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
    genotype = _load(arguments)
    console = Console()
    if isinstance(genotype, RecurrentGenotype):
        return _show_recurrent(genotype, console)
    cells = {"Normal cell": genotype.normal, "Reduction cell": genotype.reduce}
    for name, cell in cells.items():
        summary = genotypes.facts(cell) if cell else "none"
        console.print(f"{name}: {summary}", markup=False, highlight=False, soft_wrap=True)
        if cell:
            console.print(_table(cell))
    concats = {"The normal": genotype.normal_concat, "The reduction": genotype.reduce_concat}
    if genotype.normal_concat == genotype.reduce_concat:
        concats = {"A": genotype.normal_concat}
    for which, concat in concats.items():
        nodes = ", ".join(map(str, concat))
        output = f"{which} cell's output is the concatenation of its nodes {nodes}"
        console.print(output, highlight=False, soft_wrap=True)
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


def _show_recurrent(genotype: RecurrentGenotype, console: Console) -> int:
    summary = f"Recurrent cell: {genotypes.recurrent_facts(genotype)}"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)
    table = Table("node", "is", box=box.SIMPLE_HEAD)
    for index, edge in enumerate(genotype.recurrent, start=1):
        table.add_row(str(index), f"{edge.operation} of {edge.source}")
    console.print(table)
    nodes = ", ".join(map(str, genotype.concat))
    console.print(f"The cell's output is the mean of its nodes {nodes}", highlight=False, soft_wrap=True)
    return 0


def _table(cell: Cell) -> Table:
    table = Table("node", "is the sum of", "and of", box=box.SIMPLE_HEAD)
    for index, node in enumerate(cell, start=NUM_INPUTS):
        table.add_row(str(index), *(f"{edge.operation} of {edge.source}" for edge in node))
    return table


def _load(arguments: argparse.Namespace) -> AnyGenotype:
    name, last = arguments.name, arguments.last
    if arguments.genotype == "-":
        return forms.read(loading.text_of(sys.stdin.buffer, "standard input"), name=name, last=last)
    return loading.load(results.of(arguments.genotype), name=name, last=last)


def _svg(text: str) -> Path:
    if not text.endswith(".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must end in .svg")
    return user_path(text)
