"""What a search is told on its command line, as typed values."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from darts_genotype.primitives import PRIMITIVES
from darts_service.settings import DartsSettings
from darts_trainer import search_arguments
from darts_trainer.images import variants
from darts_trainer.images.variants import Variants
from darts_trainer.search.asked import SearchConfig
from darts_trainer.search.records import CHOICES
from trial_runtime import command_line
from trial_runtime.images.data_options import DataOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerConfig(SearchConfig):
    """A search on images, as it was asked for."""

    settings: DartsSettings
    variants: Variants
    """What else differs from the paper's search."""
    checkpoint_cells: bool
    """Save memory: keep only the cells' outputs for the backward pass, and compute the rest again."""
    data: DataOptions
    """The images to search on."""


def from_arguments(argv: Sequence[str]) -> TrainerConfig:
    """Read a command line.

    The three values that Katib passes come with and without the literal double quotes of a manifest.

    Raises:
        CommandLineError: a flag is unknown, missing, or has a value that it does not take or that makes no sense with
            the settings and the search space.
        MalformedAssignment: a value of Katib's is not JSON in single quotes.
        InvalidExperiment: a setting, the search space or the number of layers is wrong.
    """
    arguments = _parser().parse_args(argv)
    algorithm_settings = search_arguments.settings_of(arguments, DartsSettings)
    search_space = search_arguments.search_space_of(arguments, PRIMITIVES)
    return TrainerConfig(
        settings=algorithm_settings,
        search_space=search_space,
        num_layers=search_arguments.num_layers_of(arguments),
        order=arguments.order,
        variants=variants.of(arguments, algorithm_settings, search_space),
        checkpoint_cells=arguments.checkpoint_cells,
        precision=arguments.precision,
        compile=search_arguments.compile_of(arguments),
        cuda_graph=arguments.cuda_graph,
        genotype=arguments.genotype,
        **command_line.trial_options(arguments),
    )


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="darts_trainer",
        description="Search an architecture by DARTS; prints a line of metrics an epoch, and Best-Genotype at the end.",
        allow_abbrev=False,
    )
    group = search_arguments.add_to(parser, CHOICES)
    group.add_argument(
        "--checkpoint-cells", action="store_true", help="save memory: compute each cell again in the backward pass"
    )
    variants.add_arguments(parser)
    command_line.add_data_arguments(parser, train_portion=0.5)
    command_line.add_resume_arguments(parser)
    return parser
