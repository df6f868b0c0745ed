"""The settings of a DARTS search, as an Experiment gives them and as the trainer reads them.

Standard library only: the trainer imports this module.
"""

from dataclasses import dataclass

from katib_suggestion.parsing.settings import Interval, integer, number

_NOT_NEGATIVE = Interval(minimum=0)
_POSITIVE = Interval(minimum=1)
_SHARE = Interval(minimum=0, below=1)

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


@dataclass(frozen=True, kw_only=True, slots=True)
class RecurrentSettings:
    """The algorithm settings of a search for a recurrent cell; the defaults are those of the paper's code.

    Katib's names, without those of convolutions, and with some of this search's own.
    """

    num_epochs: int = integer(50, _POSITIVE)
    """Epochs of the search."""
    w_lr: float = number(20.0, _NOT_NEGATIVE)
    """Learning rate of the weights at the start (SGD), in a step of bptt words; in proportion in one of fewer."""
    w_lr_min: float = number(None, _NOT_NEGATIVE, optional=True)
    """Learning rate of the weights at the end, to which it falls as a cosine; None is w_lr: it stays as it is."""
    w_momentum: float = number(0.0, _NOT_NEGATIVE)
    """Momentum of the weights."""
    w_weight_decay: float = number(5e-7, _NOT_NEGATIVE)
    """Weight decay of the weights."""
    w_grad_clip: float = number(0.25, _NOT_NEGATIVE)
    """Largest norm of the weights' gradient in a weight step, and in the one that is looked ahead."""
    w_slowness: float = number(1e-3, _NOT_NEGATIVE)
    """Weight of the loss that keeps outputs from changing fast: the mean square of their changes from word to word."""
    alpha_lr: float = number(3e-3, _NOT_NEGATIVE)
    """Learning rate of the alphas (Adam)."""
    alpha_weight_decay: float = number(1e-3, _NOT_NEGATIVE)
    """Weight decay of the alphas."""
    batch_size: int = integer(256, Interval(minimum=1, maximum=1_000_000))
    """Columns of text that are read side by side, from each part."""
    bptt: int = integer(35, Interval(minimum=1, maximum=10_000))
    """Words of a column that a step reads, and through which gradients go; one step in twenty reads half of them."""
    num_workers: int = integer(4, Interval(minimum=0, maximum=1_024))
    """Katib's number of data loading processes; the trainer keeps its text in memory and needs none."""
    hidden_size: int = integer(300, Interval(minimum=1, maximum=16_384))
    """Units of the cell's nodes, and of the words' vectors."""
    print_step: int = integer(50, _POSITIVE)
    """Steps between two progress lines."""
    num_nodes: int = integer(8, Interval(minimum=1, maximum=64))
    """Nodes of the cell, without the one that reads the input."""
    dropout: float = number(0.75, _SHARE)
    """Share of the cell's outputs that is dropped before the decoder."""
    dropouth: float = number(0.25, _SHARE)
    """Share of the cell's states that is dropped wherever one meets a matrix."""
    dropoutx: float = number(0.75, _SHARE)
    """Share of the cell's inputs that is dropped."""
    dropouti: float = number(0.2, _SHARE)
    """Share of the words' vectors that is dropped."""
    dropoute: float = number(0.0, _SHARE)
    """Share of the words of the vocabulary whose vectors are dropped as a whole."""

    def __post_init__(self) -> None:
        if self.w_lr_min is None:
            object.__setattr__(self, "w_lr_min", self.w_lr)


SearchSettings = DartsSettings | RecurrentSettings
"""Of either kind of search."""
