"""``katib-nas architecture``: show or draw the network that an ENAS search asked a trial for."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from enas_trainer import fixed_arc, loading
from enas_trainer.fields import InvalidNetwork
from enas_trainer.macro import config
from enas_trainer.macro.config import Architecture
from katib_local.drawing import architectures
from katib_local.drawing.architectures import AnyNetwork
from katib_local.record import results
from katib_suggestion import assignment
from katib_suggestion.user_paths import user_path

_EPILOG = """\
Both texts are the assignments of a trial, as Katib shows them, or files of them. Instead, ARCHITECTURE alone may be the
architecture.json of a trial, the trial's folder, runs/…/trials/NAME, or the folder of a run, for its best trial; or the
fixed_arc of a macro network of melodyguan/enas ("0 1 0 …"), whose operations are those that are published there.

exit codes:
    0  done
    2  wrong use of a flag
    3  the texts are no architecture, or cannot be read
    5  the machine gave out: disk, permissions
  130  interrupted by Ctrl-C
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command, with its own commands, to those of ``katib-nas``."""
    architecture = commands.add_parser("architecture", help="Show or draw an architecture of an ENAS search.")
    subcommands = architecture.add_subparsers(required=True, metavar="COMMAND")
    for command in (show, draw):
        parser = subcommands.add_parser(
            command.__name__,
            help=command.__doc__,
            description=command.__doc__,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(command=command)
        parser.add_argument(
            "architecture", metavar="ARCHITECTURE", help="a text, file, folder, or - for standard input"
        )
        parser.add_argument("nn_config", metavar="NN_CONFIG", nargs="?", help="likewise")
        if command is draw:
            parser.add_argument(
                "-o", "--output", required=True, type=_svg, metavar="FILE.svg", help="what is there is replaced"
            )


def show(arguments: argparse.Namespace) -> int:
    """Print the layers as a table."""
    architecture, network = _load(arguments.architecture, arguments.nn_config)
    console = Console()
    size = architectures.size_in_words(network)
    what = "images" if len(network.input_sizes) == 3 else "inputs"
    facts = f"{architectures.facts(architecture)}; {what} of {size}; {network.num_classes} classes"
    console.print(facts, highlight=False, soft_wrap=True)
    table = Table("layer", "id", "operation", "is fed by", box=box.SIMPLE_HEAD)
    for layer in range(1, architecture.num_layers + 1):
        opt_id = architecture.operation(layer)
        operation = architectures.in_words(network.embedding[opt_id])
        table.add_row(str(layer), str(opt_id), operation, architectures.sources_in_words(architecture, layer))
    console.print(table)
    return 0


def draw(arguments: argparse.Namespace) -> int:
    """Draw the layers and what feeds them as an SVG picture."""
    picture = architectures.draw(*_load(arguments.architecture, arguments.nn_config))
    arguments.output.write_text(picture, encoding="utf-8")
    return 0


def _load(architecture: str, nn_config: str | None) -> tuple[Architecture, AnyNetwork]:
    """Read both texts, or the record of a trial, which holds both; or the numbers of melodyguan/enas, which need none.

    Raises:
        InvalidNetwork: what is wrong, and where.
    """
    given = _given(architecture)
    text = loading.text_of(given, "architecture")
    if fixed_arc.is_one(text):
        rows = fixed_arc.rows(text)
        if nn_config is None:
            network = fixed_arc.network(len(rows))
            return config.read_rows(rows, network), network
        given = assignment.encode(rows)
    return architectures.read(*loading.load(given, None if nn_config is None else _given(nn_config)))


def _given(argument: str) -> str:
    """Read standard input; anything else is for others to read, but for a run, whose best trial it stands for."""
    if argument != "-":
        return results.of(argument)
    try:
        return sys.stdin.buffer.read(loading.MAX_CHARACTERS).decode().strip()
    except UnicodeDecodeError as error:
        raise InvalidNetwork("architecture", argument, "it must be text in UTF-8") from error


def _svg(text: str) -> Path:
    if not text.endswith(".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must end in .svg")
    return user_path(text)
