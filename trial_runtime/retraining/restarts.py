"""How the final trainings that were published with ENAS move the weights (Pham et al., 1802.03268; melodyguan/enas).

SGD after Nesterov, whose learning rate falls along cosines that begin anew.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime.retraining import schedule

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)

HELP = {
    "first_restart": "epochs of the first cosine, after which the learning rate rises again",
    "restart_factor": "how many times longer each cosine is than the one before",
    "dropout": "share of the features that is dropped before the classifier",
}
"""What the settings that no other recipe has are, for command lines."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartedSettings:
    """How a network learns; the defaults are the published ones for CIFAR-10, where those of macro and micro agree."""

    num_epochs: int
    """Passes over the training images."""
    batch_size: int
    """Images of a step, of all processes together."""
    learning_rate: float = number(0.05, _NOT_NEGATIVE)
    """At the start of each cosine."""
    learning_rate_min: float
    """At the end of each cosine."""
    first_restart: int = integer(10, _POSITIVE)
    """Epochs of the first cosine."""
    restart_factor: int = integer(2, Interval(minimum=1, maximum=1_000))
    """How many times longer each cosine is than the one before."""
    momentum: float = number(0.9, Interval(above=0, below=1))
    """Of SGD, after Nesterov."""
    weight_decay: float = number(4e-4, _NOT_NEGATIVE)
    """Of SGD; the published 2e-4 stands before the squares of the weights, whose derivative has twice that."""
    grad_clip: float = number(5.0, _NOT_NEGATIVE)
    """Largest norm of the gradient in a step; 0 switches clipping off."""
    dropout: float
    """Share of the features that is dropped before the classifier."""
    print_step: int = integer(50, _POSITIVE)
    """Steps between two progress lines."""

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        return schedule.restarted_cosine(
            epoch, self.first_restart, self.restart_factor, self.learning_rate, self.learning_rate_min
        )

    def optimiser(self, weights: Sequence[nn.Parameter]) -> torch.optim.SGD:
        """Return what moves the weights."""
        return torch.optim.SGD(
            weights, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=True
        )

    def warn_of_its_end(self) -> None:
        """Say in the log where a training ends within a cosine."""
        if not schedule.ends_a_cosine(self.num_epochs, self.first_restart, self.restart_factor):
            logger.warning(
                "--num-epochs %d ends while the learning rate is still large; 10, 30, 70, 150, 310 or 630 epochs end "
                "it small, where --first-restart is 10 and --restart-factor 2", self.num_epochs,
            )  # fmt: skip
