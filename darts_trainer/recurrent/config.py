"""What a search for a recurrent cell is told on its command line, as typed values."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from darts_genotype.activations import ACTIVATIONS
from darts_genotype.primitives import NONE
from darts_service.settings import RecurrentSettings
from darts_trainer import search_arguments
from darts_trainer.search.records import CHOICES
from trial_runtime import command_line
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.checkpointing.resume import ResumeOptions
from trial_runtime.text import options
from trial_runtime.text.options import TextOptions

_MATTERS_NOT = frozenset(
    {
        "settings.num_workers", "settings.print_step", "data.data_dir", "output_dir", "is_seeded", "device", "genotype",
        "resume.every_steps", "resume.fresh", "cuda_graph",
    }
)  # fmt: skip
"""Fields that do not change what a search learns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecurrentConfig:
    """A search, as it was asked for; for what is not explained here see `darts_trainer.config.TrainerConfig`."""

    settings: RecurrentSettings
    search_space: tuple[str, ...]
    """The activation functions to choose from."""
    num_layers: int
    """Cells, one above the other, that share their alphas."""
    order: int
    precision: str
    compile: bool
    cuda_graph: bool
    data: TextOptions
    """The text to search on."""
    output_dir: Path
    seed: int
    is_seeded: bool
    resume: ResumeOptions
    genotype: str
    device: torch.device

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
