"""What a search is told on its command line, as typed values."""

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from darts_genotype.primitives import NONE, PRIMITIVES
from darts_service.settings import MAX_LAYERS, DartsSettings
from darts_trainer import variants
from darts_trainer.search.records import CHOICES
from darts_trainer.variants import Variants
from katib_suggestion import assignment, settings
from katib_suggestion.errors import InvalidExperiment
from trial_runtime import command_line, seeds
from trial_runtime.checkpoints import Plain, configuration_of
from trial_runtime.command_line import CommandLineError
from trial_runtime.images.data_options import DataOptions
from trial_runtime.precision import PRECISIONS
from trial_runtime.resume import ResumeOptions

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
    """Of the forward and backward passes; see `trial_runtime.precision`."""
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
        """Whether so many processes record their steps; see `trial_runtime.step_graph`."""
        return self.cuda_graph and self.device.type == "cuda" and num_processes == 1

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
    algorithm_settings = _settings(arguments.algorithm_settings)
    search_space = _search_space(arguments.search_space)
    return TrainerConfig(
        settings=algorithm_settings,
        search_space=search_space,
        num_layers=_num_layers(arguments.num_layers),
        order=arguments.order,
        variants=variants.of(arguments, algorithm_settings, search_space),
        checkpoint_cells=arguments.checkpoint_cells,
        precision=arguments.precision,
        compile=_compile(arguments.compile),
        cuda_graph=arguments.cuda_graph,
        data=command_line.data_options(arguments),
        output_dir=arguments.output_dir,
        seed=seeds.fresh_seed() if arguments.seed is None else arguments.seed,
        is_seeded=arguments.seed is not None,
        resume=command_line.resume_options(arguments),
        genotype=arguments.genotype,
        device=arguments.device,
    )


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="darts_trainer",
        description="Search an architecture by DARTS; prints a line of metrics an epoch, and Best-Genotype at the end.",
        allow_abbrev=False,
    )
    group = parser.add_argument_group("search, as Katib passes it (JSON in single quotes)")
    group.add_argument("--algorithm-settings", required=True, help="settings by name, such as {'num_epochs': '50'}")
    group.add_argument("--search-space", required=True, help="operations, such as ['max_pooling_3x3']")
    group.add_argument("--num-layers", required=True, help="cells of the supernet")
    group.add_argument(
        "--order", type=int, choices=(1, 2), default=2, help="of the architecture gradient's approximation (default: 2)"
    )
    group.add_argument(
        "--checkpoint-cells", action="store_true", help="save memory: compute each cell again in the backward pass"
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
        "--genotype", choices=CHOICES, default=CHOICES[0],
        help="which epoch's is the result: the last's, or that of the best validation accuracy (default: %(default)s)",
    )  # fmt: skip
    variants.add_arguments(parser)
    command_line.add_data_arguments(parser, train_portion=0.5)
    command_line.add_resume_arguments(parser)
    return parser


def _compile(is_asked_for: bool) -> bool:
    """Check what would fail after the data are loaded, in a message of many lines."""
    compilers = (os.environ["CXX"],) if os.environ.get("CXX") else ("g++", "clang++")
    if is_asked_for and not any(shutil.which(compiler) for compiler in compilers):
        raise CommandLineError(f"--compile: it needs a C++ compiler, and there is no {' or '.join(compilers)} here")
    return is_asked_for


def _settings(text: str) -> DartsSettings:
    flag = "--algorithm-settings"
    given = _decode(flag, text)
    if not isinstance(given, dict):
        raise InvalidExperiment(flag, given, "it must be an object of settings by name")
    return settings.parse(DartsSettings, [(name, _setting_text(flag, name, value)) for name, value in given.items()])


def _setting_text(flag: str, name: str, value: assignment.JSON) -> str:
    """A setting as the text that an Experiment gives; the service sends None as JSON's null."""
    if value is None:
        return "None"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise InvalidExperiment(f"{flag}: {name}", value, "it must be a text, a number or null")


def _search_space(text: str) -> tuple[str, ...]:
    flag = "--search-space"
    given = _decode(flag, text)
    if not isinstance(given, list) or not given:
        raise InvalidExperiment(flag, given, "it must be a list of operations, at least one")
    for primitive in given:
        if primitive not in PRIMITIVES:
            raise InvalidExperiment(flag, primitive, f"the operations are {', '.join(PRIMITIVES)}")
        if given.count(primitive) > 1:
            raise InvalidExperiment(flag, primitive, "an operation may stand there once")
    return tuple(given)


def _num_layers(text: str) -> int:
    flag = "--num-layers"
    given = _decode(flag, text)
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= MAX_LAYERS:
        raise InvalidExperiment(flag, given, f"it must be an integer from 1 to {MAX_LAYERS}")
    return given


def _decode(flag: str, text: str) -> assignment.JSON:
    try:
        return assignment.decode(text)
    except assignment.MalformedAssignment as error:
        raise assignment.MalformedAssignment(f"{flag}: {error}") from error
