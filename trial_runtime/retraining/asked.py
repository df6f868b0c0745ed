"""A training of a found network on images, as its command line asks for it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from trial_runtime.checkpointing import resume
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import Allowance
from trial_runtime.images.data_options import DataOptions
from trial_runtime.retraining.records import LAST
from trial_runtime.retraining.training import Recipe

_MATTERS_NOT = resume.MATTERS_NOT | network_budget.MATTERS_NOT | {"settings.print_step", "keep"}
"""Fields that do not change what a network learns."""


class Settings(Recipe, Protocol):
    """A recipe, as a frozen dataclass of what the command line sets."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def batch_size(self) -> int:
        """Images of a step, of all processes together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial(resume.Trial):
    """What is asked of every network; a trainer adds which one it is, and its size."""

    settings: Settings
    """How it learns."""
    precision: str
    """Of the forward and backward passes; see `trial_runtime.devices.precision`."""
    keep: str
    """Of which epoch the weights are; see `records.CHOICES`."""
    allowance: Allowance
    """What the network may cost, and whether its latency is measured."""
    data: DataOptions
    """The images; where all of them are trained on, test images are classified at the end, and held out ones else."""

    def decided_by(self, texts: Mapping[str, Plain], *, without: Set[str]) -> dict[str, Plain]:
        """Return what decides the result: the fields, but for those for which texts stand."""
        found = {**configuration_of(self, without=_MATTERS_NOT | without), **texts}
        # What earlier versions have begun knows no other.
        return found if self.keep == LAST else {**found, "keep": self.keep}
