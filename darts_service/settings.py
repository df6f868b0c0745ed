"""The settings of a DARTS search, as an Experiment gives them and as the trainer reads them.

Standard library only: the trainer imports this module.
"""

from dataclasses import dataclass

from katib_suggestion.settings import Interval, integer, number

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)

MAX_LAYERS = 1_000
"""A supernet beyond it fits no device; the paper searches with 8."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DartsSettings:
    """The 14 algorithm settings of Katib's DARTS; the defaults are Katib's."""

    num_epochs: int = integer(50, _POSITIVE)
    """Epochs of the search."""
    w_lr: float = number(0.025, _NOT_NEGATIVE)
    """Learning rate of the weights at the start (SGD, cosine schedule)."""
    w_lr_min: float = number(0.001, _NOT_NEGATIVE)
    """Learning rate of the weights at the end of the schedule."""
    w_momentum: float = number(0.9, _NOT_NEGATIVE)
    """Momentum of the weights."""
    w_weight_decay: float = number(3e-4, _NOT_NEGATIVE)
    """Weight decay of the weights."""
    w_grad_clip: float = number(5.0, _NOT_NEGATIVE)
    """Largest norm of the weights' gradient in a weight step."""
    alpha_lr: float = number(3e-4, _NOT_NEGATIVE)
    """Learning rate of the alphas (Adam)."""
    alpha_weight_decay: float = number(1e-3, _NOT_NEGATIVE)
    """Weight decay of the alphas."""
    batch_size: int | None = integer(128, Interval(minimum=1, maximum=1_000_000), optional=True)
    """Images in a step, from each half of the data; None leaves the choice to the trainer."""
    num_workers: int = integer(4, Interval(minimum=0, maximum=1_024))
    """Katib's number of data loading processes; the trainer keeps its images in memory and needs none."""
    init_channels: int = integer(16, Interval(minimum=1, maximum=4_096))
    """Channels of the first cell's nodes."""
    print_step: int = integer(50, _POSITIVE)
    """Steps between two progress lines."""
    num_nodes: int = integer(4, Interval(minimum=1, maximum=64))
    """Inner nodes of a cell."""
    stem_multiplier: int = integer(3, Interval(minimum=1, maximum=64))
    """Channels of the stem, as a multiple of init_channels."""
