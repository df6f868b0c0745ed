"""``katib-nas architecture``: show or draw the network that an ENAS search asked a trial for."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from enas_trainer import fields
from enas_trainer.fields import InvalidNetwork
from enas_trainer.macro import config, fixed_arc
from enas_trainer.macro.config import Architecture, NetworkConfig
from katib_local.drawing import architectures
from katib_local.record.trial_folder import ARTIFACTS
from katib_suggestion import assignment
from katib_suggestion.user_paths import user_path

RECORD = "architecture.json"
"""What the ENAS trainer leaves in its output folder."""

_MAX_CHARACTERS = 10_000_000

_EPILOG = """\
Both texts are the assignments of a trial, as Katib shows them, or files of them. Instead, ARCHITECTURE alone may be the
architecture.json of a trial, or the folder that it lies in: runs/…/trials/NAME; or the fixed_arc of a macro network of
melodyguan/enas ("0 1 0 …"), whose operations are those that are published there.

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
        parser.add_argument("architecture", metavar="ARCHITECTURE", help="a text, a file, or - for standard input")
        parser.add_argument("nn_config", metavar="NN_CONFIG", nargs="?", help="a text or a file")
        if command is draw:
            parser.add_argument(
                "-o", "--output", required=True, type=_svg, metavar="FILE.svg", help="what is there is replaced"
            )


def show(arguments: argparse.Namespace) -> int:
    """Print the layers as a table."""
    architecture, network = _load(arguments.architecture, arguments.nn_config)
    console = Console()
    size = architectures.size_in_words(network)
    facts = f"{architectures.facts(architecture)}; images of {size}; {network.num_classes} classes"
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


def _load(architecture: str, nn_config: str | None) -> tuple[Architecture, NetworkConfig]:
    """Read both texts, or the record of a trial, which holds both; or the numbers of melodyguan/enas, which need none.

    Raises:
        InvalidNetwork: what is wrong, and where.
    """
    text = _text(architecture, "architecture")
    if fixed_arc.is_one(text):
        rows = fixed_arc.rows(text)
        if nn_config is None:
            network = fixed_arc.network(len(rows))
            return config.read_rows(rows, network), network
        text = assignment.encode(rows)
    if nn_config is not None:
        return config.read(text, _text(nn_config, "nn_config"))
    record = fields.any_mapping(fields.parse(text, "architecture"), "architecture, without an nn_config after it")
    found = {}
    for name in ("architecture", "nn_config"):
        if name not in record:
            raise InvalidNetwork(name, None, f"it is missing in {architecture}; a trial's {RECORD} has it")
        found[name] = assignment.encode(record[name])
    return config.read(**found)


def _text(argument: str, where: str) -> str:
    """Read standard input, a text that is JSON as it stands, or else a file, or that of a folder."""
    try:
        if argument == "-":
            return sys.stdin.buffer.read(_MAX_CHARACTERS).decode()
        if argument.lstrip().startswith(("[", "{", '"')) or fixed_arc.is_one(argument):
            return argument
        path = user_path(argument)
        if path.is_dir():
            path = (path / ARTIFACTS if (path / ARTIFACTS).is_dir() else path) / RECORD
        with path.open("rb") as file:
            return file.read(_MAX_CHARACTERS).decode()
    except UnicodeDecodeError as error:
        raise InvalidNetwork(where, argument, "it must be text in UTF-8") from error
    except OSError as error:
        raise InvalidNetwork(
            where, argument, f"it must be JSON, or a file or trial folder that holds it ({error.strerror})"
        ) from error


def _svg(text: str) -> Path:
    if not text.endswith(".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must end in .svg")
    return user_path(text)
