"""``katib-nas architecture``: show, convert or draw the network that an ENAS search asked a trial for."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from darts_genotype import enas_form, finding, forms
from darts_genotype.genotype import GenotypeError
from darts_genotype.recurrent import AnyGenotype
from enas_trainer.architecture import fixed_arc, loading, search_for
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import config, published
from enas_trainer.macro.config import Architecture
from katib_local.drawing import architectures, asked
from katib_local.drawing.architectures import AnyNetwork
from katib_local.drawing.asked import Asked
from katib_local.record import results
from katib_local.showing import cells
from katib_suggestion.files.user_paths import user_path

_EPILOG = """\
Both texts are the assignments of a trial, as Katib shows them, or files of them. Instead, ARCHITECTURE alone may be the
architecture.json of a trial, the trial's folder, runs/…/trials/NAME, or the folder of a run, for its best trial; or a
genotype, of cells; or the fixed_arc of published code ("0 1 0 …"), whose operations are those that are published there:
of melodyguan/enas, or of enas_lm for a recurrent cell. Where its numbers may be one as well as another, --search-for
says which it is.

exit codes:
    0  done
    2  wrong use of a flag
    3  the texts are no architecture, cannot be read, or cannot be written in that form
    5  the machine gave out: disk, permissions
  130  interrupted by Ctrl-C
"""


_NUMBERS = "fixed_arc"
"""The form of published code."""

_FORMS = (*forms.WRITERS, _NUMBERS)


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command, with its own commands, to those of ``katib-nas``."""
    architecture = commands.add_parser("architecture", help="Show, convert or draw an architecture of an ENAS search.")
    subcommands = architecture.add_subparsers(required=True, metavar="COMMAND")
    for command in (show, convert, draw):
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
        parser.add_argument("--search-for", choices=search_for.KINDS, help="what the numbers of a fixed_arc are")
        if command is convert:
            parser.add_argument("--to", required=True, choices=_FORMS, help="the form to write")
        if command is draw:
            parser.add_argument(
                "-o", "--output", required=True, type=_svg, metavar="FILE.svg", help="what is there is replaced"
            )


def show(arguments: argparse.Namespace) -> int:
    """Print the layers, or the cells, as tables."""
    found = _load(arguments)
    console = Console()
    if isinstance(found, AnyGenotype):
        cells.show(found, console)
    else:
        _show_layers(*found, console)
    return 0


def convert(arguments: argparse.Namespace) -> int:
    """Print cells as a genotype, or any architecture as the numbers of published code."""
    found = _load(arguments)
    if isinstance(found, AnyGenotype):
        text = enas_form.write(found) if arguments.to == _NUMBERS else forms.WRITERS[arguments.to](found)
    elif arguments.to == _NUMBERS:
        text = " ".join(str(number) for row in found[0].rows for number in row)
    else:
        allowed = f"an architecture of layers has no genotype: --to {_NUMBERS} writes its numbers"
        raise InvalidNetwork("--to", arguments.to, allowed)
    sys.stdout.write(text + "\n")
    return 0


def draw(arguments: argparse.Namespace) -> int:
    """Draw the layers and what feeds them, or the cells, as an SVG picture."""
    picture = asked.draw(_load(arguments))
    arguments.output.write_text(picture, encoding="utf-8")
    return 0


def _show_layers(architecture: Architecture, network: AnyNetwork, console: Console) -> None:
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


def _load(arguments: argparse.Namespace) -> Asked:
    """Read both texts, or the record of a trial, which holds both; or what needs no other: a genotype, a fixed_arc.

    Raises:
        GenotypeError, InvalidNetwork: what is wrong, and where.
    """
    given, nn_config = _given(arguments.architecture), arguments.nn_config
    if nn_config is not None:
        return asked.read(*loading.load(given, _given(nn_config)))
    text = given if finding.START in given else loading.text_of(given, "architecture")
    if finding.START in text or ('"version"' in text and '"nn_config"' not in text):
        return forms.read(text)
    if fixed_arc.is_one(text):
        return _of_numbers(text, arguments.search_for)
    return asked.read(*loading.load(given, None))


def _of_numbers(text: str, kind: str | None) -> Asked:
    """Read a fixed_arc as the kind that it is said to be, or as the only one that it can be.

    Raises:
        GenotypeError, InvalidNetwork: it is none, or it may be several.
    """
    if kind is not None:
        return _READERS[kind](text)
    found: dict[str, Asked] = {}
    faults: dict[str, ValueError] = {}
    for name, reader in _READERS.items():
        try:
            found[name] = reader(text)
        except (GenotypeError, InvalidNetwork) as fault:
            faults[name] = fault
        else:
            if name == search_for.MACRO:  # as before there were others
                return found[name]
    if len(found) == 1:
        return found.popitem()[1]
    if found:
        allowed = f"it may be {' or '.join(found)}: --search-for says which"
        raise InvalidNetwork("architecture", text, allowed)
    raise InvalidNetwork("architecture", text, "; ".join(f"as {name}, {fault}" for name, fault in faults.items()))


def _layers(text: str) -> Asked:
    rows = fixed_arc.rows(text, search_for.MACRO)
    network = published.network(len(rows))
    return config.read_rows(rows, network), network


_READERS: Mapping[str, Callable[[str], Asked]] = {
    search_for.MACRO: _layers,
    search_for.MICRO: lambda text: enas_form.read_cells(fixed_arc.rows(text, search_for.MICRO)),
    search_for.RECURRENT: lambda text: enas_form.read_recurrent(fixed_arc.rows(text, search_for.RECURRENT)),
}


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
