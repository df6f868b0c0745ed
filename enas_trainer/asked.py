"""A trial of an architecture, as its command line asks for it, whatever it is trained on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enas_trainer.architecture import fields
from trial_runtime.checkpointing import resume
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import Allowance
from trial_runtime.reporting import artifacts

_MATTERS_NOT = resume.MATTERS_NOT | network_budget.MATTERS_NOT | {"num_gpus"}
"""Fields that do not change what a network learns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureTrial(resume.Trial):
    """What is asked of every architecture; each kind adds its network, its settings and its data."""

    architecture: str
    """JSON."""
    nn_config: str
    """JSON."""
    precision: str
    """See `trial_runtime.devices.precision`."""
    allowance: Allowance
    """What the network may cost, and whether its latency is measured."""
    shared_weights: Path | None
    """Folder of a bank that the network's weights come from and go to; None for a network of its own."""
    num_gpus: int
    """Katib's flag: how many processes train the network, each on a GPU of its own; 0 for one on the CPU."""

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: one of these is another trial.

        Raises:
            InvalidNetwork: a text is no JSON.
        """
        # One form for all that mean the same, whichever quotes a manifest and a shell leave around them.
        texts = {"architecture": self.architecture, "nn_config": self.nn_config}
        same = {name: json.dumps(fields.parse(text, name)) for name, text in texts.items()}
        found = configuration_of(self, without=_MATTERS_NOT)
        return {name: value for name, value in found.items() if not name.startswith("network.")} | same

    def record(self) -> dict[str, Any]:
        """What ``architecture.json`` says of it, for every kind."""
        return {
            "architecture": fields.parse(self.architecture, "architecture"),
            "nn_config": fields.parse(self.nn_config, "nn_config"),
            "precision": self.precision,
            "shared_weights": self.shared_weights and str(self.shared_weights),
            "seed": self.seed,
            "device": str(self.device),
            "versions": artifacts.versions(),
        }
