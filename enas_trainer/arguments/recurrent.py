"""What a trial of a recurrent cell is told on its command line, as typed values."""

import argparse
import dataclasses
from collections.abc import Sequence

from enas_trainer.arguments import flags, texts
from enas_trainer.recurrent import config
from enas_trainer.recurrent.asked import TextSettings, TextTrial
from katib_suggestion.parsing import settings
from trial_runtime import command_line
from trial_runtime.costs import network_budget
from trial_runtime.text import options

_HELP = {
    "num_epochs": "passes over the training part",
    "batch_size": "columns of text, of all processes together",
    "bptt": "words of a column that a step reads",
    "hidden_size": "units of the cell's nodes, and of the words' vectors",
    "learning_rate": "at the start; falls to nothing along half a cosine",
    "grad_clip": "largest norm of the gradient in a step; 0 switches clipping off",
    "dropout": "share of the outputs that is dropped",
    "dropouth": "share of the states that is dropped",
    "dropoutx": "share of the inputs that is dropped",
    "dropouti": "share of the words' vectors that is dropped",
    "dropoute": "share of the words that are dropped as a whole",
}


def parse(argv: Sequence[str]) -> TextTrial:
    """Read a command line.

    Where no ``--max-vocabulary`` is given, the vocabulary is as large as ``nn_config`` says.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take; or no text is named.
        InvalidNetwork: the texts, or the choices, are no network; or a file of them cannot be read.
        InvalidExperiment: a setting is out of its bounds.
    """
    arguments = _parser().parse_args(argv)
    architecture, nn_config = texts.read(arguments)
    network = config.read(architecture, nn_config)
    data = options.of(arguments)
    if data.max_vocabulary is None:
        data = dataclasses.replace(data, max_vocabulary=network.vocabulary_size)
    machine = command_line.machine_options(arguments)
    machine["device"] = flags.device(arguments)
    names = [field.name for field in dataclasses.fields(TextSettings)]
    given = [(name, text) for name in names if (text := getattr(arguments, name)) is not None]
    return TextTrial(
        architecture=architecture,
        nn_config=nn_config,
        network=network,
        settings=settings.parse(TextSettings, given, place=_flag),
        precision=arguments.precision,
        allowance=network_budget.allowance_of(arguments),
        data=data,
        shared_weights=arguments.shared_weights,
        num_gpus=arguments.num_gpus,
        **machine,
    )


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="enas_trainer",
        description="Train the language model of one recurrent cell; prints a line of metrics an epoch.",
        allow_abbrev=False,
    )
    texts.add_flags(parser)
    for field in dataclasses.fields(TextSettings):
        text = f"{_HELP[field.name]} (default: {field.default:g})"
        names = ("--num_epochs",) if field.name == "num_epochs" else (_flag(field.name),)
        parser.add_argument(*names, metavar="N", help=text)
    flags.add_to(parser)
    network_budget.add_arguments(parser)
    options.add_arguments(parser)
    command_line.add_resume_arguments(parser)
    return parser


def _flag(name: str) -> str:
    return "--num_epochs" if name == "num_epochs" else "--" + name.replace("_", "-")
