"""A trial of a recurrent cell, as its command line asks for it."""

from dataclasses import dataclass

from cell_networks.language_model import DropoutRates
from enas_trainer.asked import ArchitectureTrial
from enas_trainer.recurrent.config import RecurrentNetwork
from katib_suggestion.parsing.settings import Interval, integer, number
from trial_runtime.text.options import TextOptions

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
class TextTrial(ArchitectureTrial):
    """A trial, as its command line asks for it."""

    network: RecurrentNetwork
    """What both texts say."""
    settings: TextSettings
    """How it is trained."""
    data: TextOptions
    """The text."""
