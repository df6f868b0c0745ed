"""What a trial on images is told on its command line, as typed values."""

import argparse
import dataclasses
import math
from collections.abc import Callable, Sequence

from enas_trainer.architecture import search_for
from enas_trainer.arguments import flags, texts
from enas_trainer.images.asked import Trial
from enas_trainer.images.train import LEARNING_RATES, TrainingSettings
from enas_trainer.macro import config as macro
from enas_trainer.macro.config import LayeredNetwork
from enas_trainer.micro import config as micro
from enas_trainer.micro.config import CellNetwork, CellOptions
from katib_suggestion.parsing.settings import MAX_NUMBER, Interval
from trial_runtime import command_line
from trial_runtime.command_line import CommandLineError
from trial_runtime.costs import network_budget

TRAIN_PORTION = 0.8
"""Share of the training images to train on, where none is asked for; the others are held out to validate on."""

MAX_CHANNELS = 4_096
"""Most channels of the first cell's nodes."""

_RATES = Interval(above=0, maximum=MAX_NUMBER)
_WEIGHTS = Interval(minimum=0, maximum=MAX_NUMBER)
_SHARES = Interval(minimum=0, below=1)
_CELL_FLAGS = tuple(field.name for field in dataclasses.fields(CellOptions))


def parse(argv: Sequence[str]) -> Trial:
    """Read a command line.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take.
        InvalidNetwork: the texts, or the choices, are no network; or a file of them cannot be read.
    """
    arguments = _parser().parse_args(argv)
    architecture, nn_config = texts.read(arguments)
    options = command_line.trial_options(arguments)
    options["device"] = flags.device(arguments)
    return Trial(
        architecture=architecture,
        nn_config=nn_config,
        network=_network(architecture, nn_config, arguments),
        settings=TrainingSettings(
            num_epochs=arguments.num_epochs,
            batch_size=arguments.batch_size,
            optimizer=arguments.optimizer,
            learning_rate=arguments.learning_rate or LEARNING_RATES[arguments.optimizer],
        ),
        precision=arguments.precision,
        allowance=network_budget.allowance_of(arguments),
        shared_weights=arguments.shared_weights,
        num_gpus=arguments.num_gpus,
        **options,
    )


def _network(architecture: str, nn_config: str, arguments: argparse.Namespace) -> LayeredNetwork | CellNetwork:
    given = {name: value for name in _CELL_FLAGS if (value := getattr(arguments, name)) is not None}
    if search_for.of(nn_config) == search_for.MICRO:
        return micro.read(architecture, nn_config, CellOptions(**given))
    for name, value in given.items():
        allowed = "it is for networks of cells, where nn_config has search_for micro"
        raise CommandLineError(f"--{name.replace('_', '-')}: {value} is not allowed: {allowed}")
    layers, network = macro.read(architecture, nn_config)
    return LayeredNetwork(architecture=layers, config=network)


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="enas_trainer",
        description="Train the network of one architecture; prints a line of metrics an epoch.",
        allow_abbrev=False,
    )
    default = TrainingSettings()
    integer = command_line.integer
    texts.add_flags(parser)
    parser.add_argument("--num_epochs", type=integer(1), default=default.num_epochs, help="default: %(default)s")
    batch = "images of a step, of all processes together (default: %(default)s)"
    parser.add_argument("--batch-size", type=integer(2), default=default.batch_size, help=batch)
    parser.add_argument("--optimizer", choices=tuple(LEARNING_RATES), default=default.optimizer)
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
    parser.add_argument("--learning-rate", type=_number(_RATES), help=f"peak of the schedule (default: {rates})")
    flags.add_to(parser)
    _add_cells(parser)
    network_budget.add_arguments(parser)
    command_line.add_data_arguments(parser, train_portion=TRAIN_PORTION)
    command_line.add_resume_arguments(parser)
    return parser


def _add_cells(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("networks of cells, where nn_config has search_for micro")
    default = CellOptions()
    integer = command_line.integer
    channels = f"of a node in the first cell; reduction cells double them (default: {default.init_channels})"
    group.add_argument("--init-channels", type=_channels, metavar="N", help=channels)
    group.add_argument("--num-layers", type=integer(1), metavar="N", help="cells (default: num_layers of nn_config)")
    weight = (
        f"of a second classifier's loss; 0 for none (default: {micro.AUXILIARY_WEIGHT}, where images are large enough)"
    )
    group.add_argument("--auxiliary-weight", type=_number(_WEIGHTS), metavar="X", help=weight)
    paths = f"probability of an edge to be dropped at the end; rises from 0 (default: {default.drop_path:g})"
    group.add_argument("--drop-path", type=_number(_SHARES), metavar="X", help=paths)


def _channels(text: str) -> int:
    number = command_line.integer(1)(text)
    if number > MAX_CHANNELS:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be an integer <= {MAX_CHANNELS}")
    return number


def _number(allowed: Interval) -> Callable[[str], float]:
    """Return a type for argparse: a number within bounds."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if number not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be a number {allowed}")
        return number

    return read
