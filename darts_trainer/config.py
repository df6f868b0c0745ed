"""What a search is told on its command line, as typed values."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from darts_genotype.primitives import NONE, PRIMITIVES
from darts_service.settings import DartsSettings
from darts_trainer import search_arguments, variants
from darts_trainer.search.records import CHOICES
from darts_trainer.variants import Variants
from trial_runtime import command_line
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.checkpointing.resume import ResumeOptions
from trial_runtime.images.data_options import DataOptions

_MATTERS_NOT = frozenset(
    {
        "settings.num_workers", "settings.print_step", "data.data_dir", "output_dir", "is_seeded", "device", "genotype",
        "resume.every_steps", "resume.fresh", "cuda_graph",
    }
)  # fmt: skip
"""Fields that do not change what a search learns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerConfig:
    """A search, as it was asked for."""

    settings: DartsSettings
    """The algorithm settings of the Experiment."""
    search_space: tuple[str, ...]
    """The operations to choose from, without ``none``."""
    num_layers: int
    """Cells of the supernet."""
    order: int
    """2: the architecture step looks one weight step ahead; 1: it holds the weights fixed."""
    variants: Variants
    """What else differs from the paper's search."""
    checkpoint_cells: bool
    """Save memory: keep only the cells' outputs for the backward pass, and compute the rest again."""
    precision: str
    """Of the forward and backward passes; see `trial_runtime.devices.precision`."""
    compile: bool
    """Let torch.compile translate the cells first."""
    cuda_graph: bool
    """Record a step and replay it, where `replays` says that it can be."""
    data: DataOptions
    """The images to search on."""
    output_dir: Path
    """Folder for what the search writes."""
    seed: int
    """Everything random comes from it; drawn from the operating system where none was given."""
    is_seeded: bool
    """Whether the seed was given: otherwise a search that is gone on with keeps its own."""
    resume: ResumeOptions
    """When checkpoints are written, and whether one is gone on from."""
    genotype: str
    """Of which epoch it is; see `darts_trainer.search.records.CHOICES`."""
    device: torch.device
    """Where the search computes."""

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: one of these is another search."""
        return configuration_of(self, without=_MATTERS_NOT)

    def replays(self, num_processes: int) -> bool:
        """Whether so many processes record their steps; see `trial_runtime.devices.step_graph`."""
        return self.cuda_graph and self.device.type == "cuda" and num_processes == 1

    @property
    def num_epochs(self) -> int:
        """Epochs of the search."""
        return self.settings.num_epochs

    @property
    def primitives(self) -> tuple[str, ...]:
        """The operations of each edge: the search space, and ``none`` after it."""
        return (*self.search_space, NONE)


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
