"""The recipe of ENAS for cells (Pham et al., 1802.03268): ``scripts/cifar10_micro_final.sh`` of melodyguan/enas.

Cosines that begin anew, Nesterov momentum, paths that are dropped the more the deeper they lie, dropout before the
classifier. The published gradient is not clipped: the code clips, and then takes what it had. Here it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from darts_service.settings import MAX_LAYERS
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime.retraining import schedule

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnasSize:
    """Size of the network; the defaults are the published ones for CIFAR-10."""

    num_layers: int = integer(17, Interval(minimum=1, maximum=MAX_LAYERS))
    """Cells, one after the other: 15 normal ones and two reduction cells."""
    init_channels: int = integer(36, Interval(minimum=1, maximum=4_096))
    """Channels of the first cell's nodes."""
    stem_multiplier: int = integer(3, Interval(minimum=1, maximum=64))
    """Channels of the stem, as a multiple of init_channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnasSettings:
    """How the network learns; the defaults are the published ones for CIFAR-10."""

    num_epochs: int = integer(630, _POSITIVE)
    """Passes over the training images: 10, 20, 40, 80, 160 and 320."""
    batch_size: int = integer(144, Interval(minimum=1, maximum=1_000_000))
    """Images of a step, of all processes together."""
    learning_rate: float = number(0.05, _NOT_NEGATIVE)
    """At the start of each cosine."""
    learning_rate_min: float = number(1e-4, _NOT_NEGATIVE)
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
    drop_path: float = number(0.4, Interval(minimum=0, below=1))
    """Probability of a path of the last cell to be dropped, to which it rises from 0; in proportion in earlier ones."""
    dropout: float = number(0.2, Interval(minimum=0, below=1))
    """Share of the features that is dropped before the classifier."""
    auxiliary_weight: float = number(0.4, _NOT_NEGATIVE)
    """Weight of the second classifier's loss; 0 for a network without one."""
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
