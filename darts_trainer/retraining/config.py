"""What the training of a found network is told on its command line, as typed values."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from darts_genotype import katib_form, loading
from darts_genotype.fields import RECURRENT_FIELDS
from darts_genotype.genotype import Genotype, GenotypeError
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype
from darts_service.settings import MAX_LAYERS
from darts_trainer.retraining.enas_recipe import EnasSettings, EnasSize
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime import command_line, from_runner
from trial_runtime.checkpointing.checkpoints import Plain
from trial_runtime.command_line import CommandLineError
from trial_runtime.costs import network_budget
from trial_runtime.retraining import flags, restarts, schedule
from trial_runtime.retraining.asked import Trial

CUTOUT = 16
"""Side of the square that is cut out of each training image of 32x32: the paper's."""

_OF_GENOTYPE = frozenset({"genotype.normal", "genotype.normal_concat", "genotype.reduce", "genotype.reduce_concat"})
"""Fields of the genotype, for which its text stands."""

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSize:
    """Size of the network; the defaults are the paper's for CIFAR-10 (arXiv 1806.09055, section 3.2)."""

    num_layers: int = integer(20, Interval(minimum=1, maximum=MAX_LAYERS))
    """Cells, one after the other."""
    init_channels: int = integer(36, Interval(minimum=1, maximum=4_096))
    """Channels of the first cell's nodes."""
    stem_multiplier: int = integer(3, Interval(minimum=1, maximum=64))
    """Channels of the stem, as a multiple of init_channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainSettings:
    """How the network learns; the defaults are the paper's for CIFAR-10 (arXiv 1806.09055, section 3.2)."""

    num_epochs: int = integer(600, _POSITIVE)
    """Passes over the training images."""
    batch_size: int = integer(96, Interval(minimum=1, maximum=1_000_000))
    """Images of a step, of all processes together."""
    learning_rate: float = number(0.025, _NOT_NEGATIVE)
    """At the start (SGD, cosine schedule)."""
    learning_rate_min: float = number(0.0, _NOT_NEGATIVE)
    """At the end of the schedule."""
    momentum: float = number(0.9, _NOT_NEGATIVE)
    """Of SGD."""
    weight_decay: float = number(3e-4, _NOT_NEGATIVE)
    """Of SGD."""
    grad_clip: float = number(5.0, _NOT_NEGATIVE)
    """Largest norm of the gradient in a step; 0 switches clipping off."""
    drop_path: float = number(0.2, Interval(minimum=0, maximum=1))
    """Probability of a path to be dropped, to which it rises from 0, linearly over the epochs."""
    auxiliary_weight: float = number(0.4, _NOT_NEGATIVE)
    """Weight of the second classifier's loss; 0 for a network without one."""
    print_step: int = integer(50, _POSITIVE)
    """Steps between two progress lines."""

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        return schedule.cosine(epoch, self.num_epochs, self.learning_rate, self.learning_rate_min)

    def optimiser(self, weights: Sequence[nn.Parameter]) -> torch.optim.SGD:
        """Return what moves the weights."""
        return torch.optim.SGD(weights, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)


DARTS, ENAS = "darts", "enas"
"""Recipes."""

_HELP = {
    "num_layers": "cells of the network; ENAS: 17",
    "init_channels": "channels of the first cell's nodes",
    "stem_multiplier": "channels of the stem, as a multiple of --init-channels",
    "num_epochs": "passes over the training images; ENAS: 630",
    "batch_size": "images of a step, of all processes together; ENAS: 144",
    "learning_rate": "at the start; falls as a cosine; ENAS: .05",
    "learning_rate_min": "at the end; ENAS: 1e-4",
    "momentum": "of SGD; ENAS: after Nesterov",
    "weight_decay": "of SGD; ENAS: 4e-4",
    "grad_clip": "largest norm of the gradient in a step; 0 switches clipping off",
    "drop_path": "probability of a path to be dropped at the end; rises from 0; ENAS: .4, in the last cell",
    "auxiliary_weight": "weight of the second classifier's loss; 0 for none",
    "print_step": "steps between two progress lines",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainConfig(Trial):
    """One run."""

    genotype: Genotype
    """The cells."""
    size: NetworkSize | EnasSize
    """Size of the network."""
    settings: RetrainSettings | EnasSettings
    """How it learns: by the recipe of DARTS, or by that of ENAS."""

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: with another of these it is another training."""
        return self.decided_by({"genotype": katib_form.write(self.genotype)}, without=_OF_GENOTYPE)


def is_recurrent(argv: Sequence[str]) -> bool:
    """Whether a command line's genotype is a recurrent cell, which decides what else it may say.

    What is no genotype is left to the reader of the rest; a text of one is by its first field.
    """
    parser = command_line.Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--genotype", default="")
    try:
        arguments = parser.parse_known_args(argv)[0]
        return isinstance(genotype_of(arguments), RecurrentGenotype)
    except command_line.CommandLineError:
        return False
    except GenotypeError:
        return f"{RECURRENT_FIELDS[0]}=" in arguments.genotype


def genotype_of(arguments: argparse.Namespace) -> AnyGenotype:
    """Read a text or a file; a manifest's literal double quotes may stand around either.

    Raises:
        GenotypeError: it is none.
    """
    return loading.load(arguments.genotype.strip().removeprefix('"').removesuffix('"'), base=from_runner.base_dir())


def from_arguments(argv: Sequence[str]) -> RetrainConfig:
    """Read a command line.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take.
        GenotypeError: the genotype is none.
        InvalidExperiment: a setting is out of its bounds.
    """
    arguments = _parser().parse_args(argv)
    genotype = genotype_of(arguments)
    assert isinstance(genotype, Genotype), "is_recurrent tells them apart"
    size, settings = _recipe(genotype, arguments)
    return RetrainConfig(
        genotype=genotype,
        size=size,
        settings=settings,
        precision=arguments.precision,
        keep=flags.keep(arguments),
        allowance=network_budget.allowance_of(arguments),
        **command_line.trial_options(arguments),
    )


def _recipe(
    genotype: Genotype, arguments: argparse.Namespace
) -> tuple[NetworkSize, RetrainSettings] | tuple[EnasSize, EnasSettings]:
    """Read the settings of the recipe that was asked for or, where none was, of the search that has such cells."""
    recipe = arguments.recipe or (ENAS if genotype.is_beyond_darts else DARTS)
    if recipe == DARTS:
        for name in restarts.HELP:
            if (value := getattr(arguments, name)) is not None:
                allowed = f"it belongs to the recipe of ENAS: --recipe {ENAS}"
                raise CommandLineError(f"{flags.flag(name)}: {value} is not allowed: {allowed}")
        return flags.parsed(NetworkSize, arguments), flags.parsed(RetrainSettings, arguments)
    settings = flags.parsed(EnasSettings, arguments)
    settings.warn_of_its_end()
    return flags.parsed(EnasSize, arguments), settings


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="darts_trainer.retrain",
        description="Train the network of a genotype; prints a line of metrics an epoch, and Test-Accuracy at the end.",
        allow_abbrev=False,
    )
    genotype = "a file, such as a search's genotype.json, a text, or the folder of a search, a trial or a run"
    parser.add_argument("--genotype", required=True, help=genotype)
    flags.add_settings(parser, "network", NetworkSize, _HELP)
    flags.add_settings(parser, "training", RetrainSettings, _HELP)
    recipe = "whose defaults, and what belongs to them: DARTS's, or ENAS's (default: by the genotype: enas where an "
    recipe += "output is not of all inner nodes, or both edges of a node come from one)"
    parser.add_argument("--recipe", choices=(DARTS, ENAS), help=recipe)
    group = parser.add_argument_group("training by the recipe of ENAS alone")
    for field in dataclasses.fields(EnasSettings):
        if field.name in restarts.HELP:
            text = f"{restarts.HELP[field.name]} (default: {field.default:g})"
            group.add_argument(flags.flag(field.name), metavar="N", help=text)
    flags.add_precision(parser)
    flags.add_keep(parser)
    network_budget.add_arguments(parser)
    command_line.add_data_arguments(parser, train_portion=1, cutout=CUTOUT)
    command_line.add_resume_arguments(parser)
    return parser
