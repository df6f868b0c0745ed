"""A search, as its command line asks for it, whatever kind of network is searched."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from darts_genotype.primitives import NONE
from trial_runtime.checkpointing import resume
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of

_MATTERS_NOT = resume.MATTERS_NOT | {"settings.num_workers", "settings.print_step", "genotype", "cuda_graph"}
"""Fields that do not change what a search learns."""


class Settings(Protocol):
    """The algorithm settings of an Experiment: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def num_epochs(self) -> int:
        """Epochs of the search."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig(resume.Trial):
    """What is asked of every search; each kind of network adds its settings and its data."""

    settings: Settings
    """The algorithm settings of the Experiment."""
    search_space: tuple[str, ...]
    """The operations to choose from, without ``none``."""
    num_layers: int
    """Cells of the supernet."""
    order: int
    """2: the architecture step looks one weight step ahead; 1: it holds the weights fixed."""
    precision: str
    """Of the forward and backward passes; see `trial_runtime.devices.precision`."""
    compile: bool
    """Let torch.compile translate the cells first."""
    cuda_graph: bool
    """Record a step and replay it, where `replays` says that it can be."""
    genotype: str
    """Of which epoch it is; see `darts_trainer.search.records.CHOICES`."""

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
