"""A trial on images, as its command line asks for it."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from enas_trainer.architecture import fields
from enas_trainer.images.train import TrainingSettings
from enas_trainer.macro.config import LayeredNetwork
from enas_trainer.micro.config import CellNetwork
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.checkpointing.resume import ResumeOptions
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import Allowance
from trial_runtime.images.data_options import DataOptions

_MATTERS_NOT = network_budget.MATTERS_NOT | {
    "data.data_dir", "output_dir", "is_seeded", "num_gpus", "device", "resume.every_steps", "resume.fresh"
}  # fmt: skip
"""Fields that do not change what a network learns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A trial, as its command line asks for it."""

    architecture: str
    """JSON."""
    nn_config: str
    """JSON."""
    network: LayeredNetwork | CellNetwork
    """What both texts say, with what the command says of a network of cells."""
    settings: TrainingSettings
    precision: str
    """See `trial_runtime.devices.precision`."""
    allowance: Allowance
    """What the network may cost, and whether its latency is measured."""
    data: DataOptions
    output_dir: Path
    shared_weights: Path | None
    """Folder of a bank that the network's weights come from and go to; None for a network of its own."""
    seed: int
    """Everything random comes from it, but for which images are held out; drawn where none was given."""
    is_seeded: bool
    """Whether the seed was given: otherwise a trial that is gone on with keeps its own."""
    resume: ResumeOptions
    """When checkpoints are written, and whether one is gone on from."""
    num_gpus: int
    """Katib's flag: how many processes train the network, each on a GPU of its own; 0 for one on the CPU."""
    device: torch.device

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: one of these is another trial.

        Raises:
            InvalidNetwork: a text is no JSON.
        """
        # One form for all that mean the same, whichever quotes a manifest and a shell leave around them.
        texts = {"architecture": self.architecture, "nn_config": self.nn_config}
        same = {name: json.dumps(fields.parse(text, name)) for name, text in texts.items()}
        found = {
            name: value
            for name, value in configuration_of(self, without=_MATTERS_NOT).items()
            if not name.startswith("network.")
        }
        cells = configuration_of(self.network.options) if isinstance(self.network, CellNetwork) else {}
        return found | cells | same
