"""What a search for a recurrent cell is told on its command line, as typed values."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from darts_genotype.activations import ACTIVATIONS
from darts_service.settings import RecurrentSettings
from darts_trainer import search_arguments
from darts_trainer.search.asked import SearchConfig
from darts_trainer.search.records import CHOICES
from trial_runtime import command_line
from trial_runtime.text import options
from trial_runtime.text.options import TextOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class RecurrentConfig(SearchConfig):
    """A search on text, as it was asked for; its operations are activation functions, and its cells share alphas."""

    settings: RecurrentSettings
    data: TextOptions
    """The text to search on."""


def from_arguments(argv: Sequence[str]) -> RecurrentConfig:
    """Read a command line.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take; or no text is named.
        MalformedAssignment: a value of Katib's is not JSON in single quotes.
        InvalidExperiment: a setting, the search space or the number of layers is wrong.
    """
    arguments = parser().parse_args(argv)
    return RecurrentConfig(
        settings=search_arguments.settings_of(arguments, RecurrentSettings),
        search_space=search_arguments.search_space_of(arguments, ACTIVATIONS),
        num_layers=search_arguments.num_layers_of(arguments),
        order=arguments.order,
        precision=arguments.precision,
        compile=search_arguments.compile_of(arguments),
        cuda_graph=arguments.cuda_graph,
        data=options.of(arguments),
        genotype=arguments.genotype,
        **command_line.machine_options(arguments),
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags."""
    made = command_line.Parser(
        prog="darts_trainer",
        description="Search a recurrent cell by DARTS, where the operations are activation functions.",
        allow_abbrev=False,
    )
    search_arguments.add_to(made, CHOICES)
    options.add_arguments(made)
    command_line.add_resume_arguments(made)
    return made
