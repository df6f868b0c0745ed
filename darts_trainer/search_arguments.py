"""The flags of every search: what Katib passes, and how it is searched."""

import argparse
import os
import shutil
from collections.abc import Sequence
from typing import TypeVar

from darts_genotype.activations import ACTIVATIONS
from darts_service.settings import MAX_LAYERS
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing import assignment, settings
from trial_runtime.command_line import CommandLineError, Parser
from trial_runtime.devices.precision import PRECISIONS

AnySettings = TypeVar("AnySettings")


def is_recurrent(argv: Sequence[str]) -> bool:
    """Whether a command line asks for a recurrent cell: an activation function is among the operations.

    A search space that is none is left to the reader of the rest.
    """
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--search-space", default="[]")
    try:
        found = assignment.decode(parser.parse_known_args(argv)[0].search_space)
    except (CommandLineError, assignment.MalformedAssignment):
        return False
    return isinstance(found, list) and any(name in ACTIVATIONS for name in found)


def add_to(parser: argparse.ArgumentParser, choices: Sequence[str]) -> "argparse._ArgumentGroup":
    """Add the flags; return their group.

    Args:
        parser: of the trial.
        choices: of which epoch the genotype is, see `darts_trainer.search.records.CHOICES`; the first unasked.
    """
    group = parser.add_argument_group("search, as Katib passes it (JSON in single quotes)")
    group.add_argument("--algorithm-settings", required=True, help="settings by name, such as {'num_epochs': '50'}")
    group.add_argument(
        "--search-space", required=True, help="operations, such as ['max_pooling_3x3'], or ['tanh', 'relu'] on text"
    )
    group.add_argument("--num-layers", required=True, help="cells of the supernet")
    group.add_argument(
        "--order", type=int, choices=(1, 2), default=2, help="of the architecture gradient's approximation (default: 2)"
    )
    group.add_argument(
        "--precision", choices=PRECISIONS, default=PRECISIONS[0], help="of the passes (default: %(default)s)"
    )
    group.add_argument(
        "--compile", action="store_true", help="let torch.compile translate the cells first, for minutes; needs g++"
    )
    group.add_argument(
        "--cuda-graph", action=argparse.BooleanOptionalAction, default=True,
        help="one process on a CUDA device records a step once and replays it, side by side (default: it does)",
    )  # fmt: skip
    group.add_argument(
        "--genotype", choices=choices, default=choices[0],
        help="which epoch's is the result: the last's, or that of the best validation (default: %(default)s)",
    )  # fmt: skip
    return group


def compile_of(arguments: argparse.Namespace) -> bool:
    """Return whether ``--compile`` is given; check what would fail after the data are loaded, in many lines.

    Raises:
        CommandLineError: there is no compiler.
    """
    is_asked_for: bool = arguments.compile
    compilers = (os.environ["CXX"],) if os.environ.get("CXX") else ("g++", "clang++")
    if is_asked_for and not any(shutil.which(compiler) for compiler in compilers):
        raise CommandLineError(f"--compile: it needs a C++ compiler, and there is no {' or '.join(compilers)} here")
    return is_asked_for


def settings_of(arguments: argparse.Namespace, kind: type[AnySettings]) -> AnySettings:
    """Return the algorithm settings.

    Raises:
        MalformedAssignment: they are no JSON.
        InvalidExperiment: one is wrong.
    """
    flag = "--algorithm-settings"
    given = _decode(flag, arguments.algorithm_settings)
    if not isinstance(given, dict):
        raise InvalidExperiment(flag, given, "it must be an object of settings by name")
    return settings.parse(kind, [(name, _setting_text(flag, name, value)) for name, value in given.items()])


def _setting_text(flag: str, name: str, value: assignment.JSON) -> str:
    """A setting as the text that an Experiment gives; the service sends None as JSON's null."""
    if value is None:
        return "None"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise InvalidExperiment(f"{flag}: {name}", value, "it must be a text, a number or null")


def search_space_of(arguments: argparse.Namespace, known: Sequence[str]) -> tuple[str, ...]:
    """Return the operations, each of those that are known, and none twice.

    Raises:
        MalformedAssignment: they are no JSON.
        InvalidExperiment: one is none of them.
    """
    flag = "--search-space"
    given = _decode(flag, arguments.search_space)
    if not isinstance(given, list) or not given:
        raise InvalidExperiment(flag, given, "it must be a list of operations, at least one")
    for primitive in given:
        if primitive not in known:
            raise InvalidExperiment(flag, primitive, f"the operations are {', '.join(known)}")
        if given.count(primitive) > 1:
            raise InvalidExperiment(flag, primitive, "an operation may stand there once")
    return tuple(given)


def num_layers_of(arguments: argparse.Namespace) -> int:
    """Return the number of layers.

    Raises:
        MalformedAssignment: it is no JSON.
        InvalidExperiment: it is no such number.
    """
    flag = "--num-layers"
    given = _decode(flag, arguments.num_layers)
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= MAX_LAYERS:
        raise InvalidExperiment(flag, given, f"it must be an integer from 1 to {MAX_LAYERS}")
    return given


def _decode(flag: str, text: str) -> assignment.JSON:
    try:
        return assignment.decode(text)
    except assignment.MalformedAssignment as error:
        raise assignment.MalformedAssignment(f"{flag}: {error}") from error
