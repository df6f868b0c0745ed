"""``docs/reference/command-line.md``: every flag of every program, from their parsers."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from website import programs
from website.programs import KATIB_NAS

PAGE = Path("docs/reference/command-line.md")

MODULES = (
    "enas_service",
    "darts_service",
    "enas_trainer",
    "enas_trainer.retrain",
    "enas_trainer.export",
    "darts_trainer",
    "darts_trainer.retrain",
    "darts_trainer.export",
    "darts_trainer.predict",
    "dashboard",
)

RECURRENT = {
    "darts_trainer": ("--search-space=['tanh', …]", "--search-space=['tanh']"),
    "darts_trainer.retrain": (
        "--genotype='Genotype(recurrent=…)'",
        "--genotype=Genotype(recurrent=[('tanh',0)],concat=[1])",
    ),
}
"""Programs that have other flags for recurrent cells: how the page writes what decides it, and what does."""

_HEAD = """\
# Command lines

Made from the programs by `python -m website.reference`; `--help` of each says the same. What the flags are for is
told by the guides: [katib-nas](../guides/local-runner.md), [the services](../guides/services.md), [ENAS
trials](../guides/enas-trainer.md), [DARTS](../guides/darts-trainer.md) and its
[variants](../guides/search-variants.md), [retraining](../guides/retraining.md), [data](../guides/data.md),
[the dashboard](../guides/dashboard.md).
"""


def text() -> str:
    """Return the page."""
    parts = [_HEAD]
    parts += (_section(command, parser) for command, parser in commands(KATIB_NAS, programs.parser_of(KATIB_NAS)))
    parts += (_section(f"python -m {module}", programs.parser_of(module)) for module in MODULES)
    parts += (
        _section(f"python -m {module} {shown}", programs.parser_of(module, [given]))
        for module, (shown, given) in RECURRENT.items()
    )
    return "\n".join(parts).replace(str(Path.home()), "~")


# argparse tells what was added to a parser by no public name.
def commands(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands below a command, or itself where there are none."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for command, subparser in action.choices.items():
            yield from commands(f"{name} {command}", subparser)


def _section(command: str, parser: argparse.ArgumentParser) -> str:
    lines = [f"## {command}", "", f"{parser.description}".rstrip(".") + ".", "", "| | |", "|---|---|"]
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            help_text = (action.help or "") % {**vars(action), "prog": parser.prog}
            if action.choices:
                help_text = "; ".join(filter(None, [f"one of {', '.join(map(str, action.choices))}", help_text]))
            required = "needed: " if action.required and action.option_strings else ""
            lines.append(f"| {_name(action)} | {required}{help_text} |")
    return "\n".join(lines) + "\n"


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)
