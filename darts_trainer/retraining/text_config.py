"""What the training of a found recurrent cell is told on its command line, as typed values."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from cell_networks.language_model import DropoutRates
from darts_genotype import katib_form
from darts_genotype.recurrent import RecurrentGenotype
from darts_service.settings import MAX_LAYERS
from darts_trainer.retraining.config import genotype_of
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime import command_line
from trial_runtime.checkpointing import resume
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.checkpointing.resume import Trial
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import Allowance
from trial_runtime.retraining import flags
from trial_runtime.text import options
from trial_runtime.text.options import TextOptions

_MATTERS_NOT = (
    resume.MATTERS_NOT | network_budget.MATTERS_NOT | {"genotype.recurrent", "genotype.concat", "settings.print_step"}
)
"""Fields that do not change what a network learns, and the genotype's, for which its text stands."""

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)
_SHARE = Interval(minimum=0, below=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSize:
    """Size of the language model; the defaults are the paper's for Penn Treebank (arXiv 1806.09055, section A.2.2)."""

    num_layers: int = integer(1, Interval(minimum=1, maximum=MAX_LAYERS))
    """Cells, one above the other."""
    hidden_size: int = integer(850, Interval(minimum=1, maximum=65_536))
    """Units of the cell's nodes, and of the words' vectors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTrainingSettings:
    """How the model learns; the defaults are the paper's for Penn Treebank, after AWD-LSTM (arXiv 1708.02182)."""

    num_epochs: int = integer(8000, _POSITIVE)
    """Passes over the training part."""
    batch_size: int = integer(64, Interval(minimum=1, maximum=1_000_000))
    """Columns of text that are read side by side, of all processes together."""
    bptt: int = integer(35, Interval(minimum=1, maximum=10_000))
    """Words of a column that a step reads, on average."""
    learning_rate: float = number(20.0, _NOT_NEGATIVE)
    """In a step of bptt words; in proportion in one of more or fewer (SGD)."""
    weight_decay: float = number(8e-7, _NOT_NEGATIVE)
    """Of SGD."""
    grad_clip: float = number(0.25, _NOT_NEGATIVE)
    """Largest norm of the gradient in a step; 0 switches clipping off."""
    slowness: float = number(1e-3, _NOT_NEGATIVE)
    """Weight of the loss that keeps outputs from changing fast."""
    patience: int = integer(5, _POSITIVE)
    """Weights are averaged from when an epoch's loss is above the best of all but the last so many."""
    dropout: float = number(0.75, _SHARE)
    """Share of the cell's outputs that is dropped before the decoder."""
    dropouth: float = number(0.25, _SHARE)
    """Share of the cell's states that is dropped wherever one meets a matrix."""
    dropoutx: float = number(0.75, _SHARE)
    """Share of the cell's inputs that is dropped."""
    dropouti: float = number(0.2, _SHARE)
    """Share of the words' vectors that is dropped."""
    dropoute: float = number(0.1, _SHARE)
    """Share of the words whose vectors are dropped as a whole."""
    print_step: int = integer(50, _POSITIVE)
    """Steps between two progress lines."""

    @property
    def rates(self) -> DropoutRates:
        """Of dropout."""
        return DropoutRates(
            output=self.dropout,
            state=self.dropouth,
            input=self.dropoutx,
            embedded=self.dropouti,
            word=self.dropoute,
        )


_HELP = {
    "num_layers": "cells, one above the other",
    "hidden_size": "units of the cell's nodes, and of the words' vectors",
    "num_epochs": "passes over the training part",
    "batch_size": "columns of text, of all processes together",
    "bptt": "words of a column that a step reads, on average",
    "learning_rate": "in a step of --bptt words; in proportion in others",
    "weight_decay": "of SGD",
    "grad_clip": "largest norm of the gradient in a step; 0 switches clipping off",
    "slowness": "weight of the loss that keeps outputs from changing fast",
    "patience": "average the weights once a validation loss is above the best of all but the last so many",
    "dropout": "share of the outputs that is dropped",
    "dropouth": "share of the states that is dropped",
    "dropoutx": "share of the inputs that is dropped",
    "dropouti": "share of the words' vectors that is dropped",
    "dropoute": "share of the words that are dropped as a whole",
    "print_step": "steps between two progress lines",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRetrainConfig(Trial):
    """One run; for what is not explained here see `darts_trainer.retraining.config.RetrainConfig`."""

    genotype: RecurrentGenotype
    size: ModelSize
    settings: TextTrainingSettings
    precision: str
    allowance: Allowance
    data: TextOptions

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: with another of these it is another training."""
        return {"genotype": katib_form.write(self.genotype), **configuration_of(self, without=_MATTERS_NOT)}


def from_arguments(argv: Sequence[str]) -> TextRetrainConfig:
    """Read a command line.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take; or no text is named.
        GenotypeError: the genotype is none.
        InvalidExperiment: a setting is out of its bounds.
    """
    arguments = parser().parse_args(argv)
    genotype = genotype_of(arguments)
    assert isinstance(genotype, RecurrentGenotype), "is_recurrent tells them apart"
    return TextRetrainConfig(
        genotype=genotype,
        size=flags.parsed(ModelSize, arguments),
        settings=flags.parsed(TextTrainingSettings, arguments),
        precision=arguments.precision,
        allowance=network_budget.allowance_of(arguments),
        data=options.of(arguments),
        **command_line.machine_options(arguments),
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags."""
    made = command_line.Parser(
        prog="darts_trainer.retrain",
        description="Train the language model of a recurrent genotype; prints Test-Perplexity at the end.",
        allow_abbrev=False,
    )
    made.add_argument("--genotype", required=True, help="a file, such as a search's genotype.json, or a text")
    flags.add_settings(made, "model", ModelSize, _HELP)
    flags.add_settings(made, "training", TextTrainingSettings, _HELP)
    flags.add_precision(made)
    network_budget.add_arguments(made)
    options.add_arguments(made)
    command_line.add_resume_arguments(made)
    return made
