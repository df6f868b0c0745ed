"""A trial of a recurrent cell, as its command line asks for it."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from cell_networks.language_model import DropoutRates
from enas_trainer.architecture import fields
from enas_trainer.recurrent.config import RecurrentNetwork
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime.checkpointing.checkpoints import Plain, configuration_of
from trial_runtime.checkpointing.resume import ResumeOptions
from trial_runtime.costs import network_budget
from trial_runtime.costs.network_budget import Allowance
from trial_runtime.text.options import TextOptions

_MATTERS_NOT = network_budget.MATTERS_NOT | {
    "data.data_dir", "output_dir", "is_seeded", "num_gpus", "device", "resume.every_steps", "resume.fresh"
}  # fmt: skip
"""Fields that do not change what a network learns."""

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)
_SHARE = Interval(minimum=0, below=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSettings:
    """How a language model is trained for a few epochs, which tell good cells from bad ones."""

    num_epochs: int = integer(10, _POSITIVE)
    """Passes over the training part; Katib's default."""
    batch_size: int = integer(64, Interval(minimum=1, maximum=1_000_000))
    """Columns of text that are read side by side, of all processes together."""
    bptt: int = integer(35, Interval(minimum=1, maximum=10_000))
    """Words of a column that a step reads; one step in twenty reads half of them."""
    hidden_size: int = integer(200, Interval(minimum=1, maximum=65_536))
    """Units of the cell's nodes, and of the words' vectors; google-research's ``enas_lm`` searches with as many."""
    learning_rate: float = number(20.0, Interval(above=0))
    """At the start, in a step of bptt words and in proportion in others; it falls to nothing along half a cosine."""
    grad_clip: float = number(0.25, _NOT_NEGATIVE)
    """Largest norm of the gradient in a step; 0 switches clipping off."""
    dropout: float = number(0.0, _SHARE)
    """Share of the cell's outputs that is dropped before the decoder."""
    dropouth: float = number(0.0, _SHARE)
    """Share of the cell's states that is dropped wherever one meets a matrix."""
    dropoutx: float = number(0.0, _SHARE)
    """Share of the cell's inputs that is dropped."""
    dropouti: float = number(0.0, _SHARE)
    """Share of the words' vectors that is dropped."""
    dropoute: float = number(0.0, _SHARE)
    """Share of the words whose vectors are dropped as a whole."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTrial:
    """One trial; for what is not explained here see `enas_trainer.images.asked.Trial`."""

    architecture: str
    nn_config: str
    network: RecurrentNetwork
    """What both texts say."""
    settings: TextSettings
    precision: str
    allowance: Allowance
    data: TextOptions
    output_dir: Path
    shared_weights: Path | None
    seed: int
    is_seeded: bool
    resume: ResumeOptions
    num_gpus: int
    device: torch.device

    def configuration(self) -> dict[str, Plain]:
        """Return what decides the result: one of these is another trial."""
        # One form for all that mean the same, whichever quotes a manifest and a shell leave around them.
        texts = {"architecture": self.architecture, "nn_config": self.nn_config}
        same = {name: json.dumps(fields.parse(text, name)) for name, text in texts.items()}
        found = configuration_of(self, without=_MATTERS_NOT)
        return {name: value for name, value in found.items() if not name.startswith("network.")} | same
