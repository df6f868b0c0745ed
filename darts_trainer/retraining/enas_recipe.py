"""The recipe of ENAS for cells (Pham et al., 1802.03268): ``scripts/cifar10_micro_final.sh`` of melodyguan/enas.

Cosines that begin anew, Nesterov momentum, paths that are dropped the more the deeper they lie, dropout before the
classifier. The published gradient is not clipped: the code clips, and then takes what it had. Here it is.
"""

from dataclasses import dataclass

from darts_service.settings import MAX_LAYERS
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime.retraining.restarts import RestartedSettings


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
class EnasSettings(RestartedSettings):
    """How the network learns; the defaults are the published ones for CIFAR-10."""

    num_epochs: int = integer(630, Interval(minimum=1))
    """Passes over the training images: 10, 20, 40, 80, 160 and 320."""
    batch_size: int = integer(144, Interval(minimum=1, maximum=1_000_000))
    learning_rate_min: float = number(1e-4, Interval(minimum=0))
    drop_path: float = number(0.4, Interval(minimum=0, below=1))
    """Probability of a path of the last cell to be dropped, to which it rises from 0; in proportion in earlier ones."""
    dropout: float = number(0.2, Interval(minimum=0, below=1))
    auxiliary_weight: float = number(0.4, Interval(minimum=0))
    """Weight of the second classifier's loss; 0 for a network without one."""
