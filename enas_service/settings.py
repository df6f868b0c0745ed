"""The settings of an ENAS search."""

from dataclasses import dataclass

from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing import budget as budgets
from katib_suggestion.parsing.budget import Budget
from katib_suggestion.parsing.settings import Interval, choice, integer, number, of_text

_POSITIVE = Interval(minimum=1)
_SHARE = Interval(above=0, maximum=1)
_SCALE = Interval(minimum=1e-6, maximum=1e6)
"""Positive, and far enough from the ends of float32 that a logit stays a number."""


_FRONT = "it must be the name of one cost, such as MACs"


def _front(text: str, where: str) -> str:
    if not text.strip() or "," in text or "<" in text:
        raise InvalidExperiment(where, text, _FRONT)
    return text.strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class EnasSettings:
    """The ten algorithm settings of Katib's ENAS, of which None switches a term off, and what is searched.

    Three defaults differ from Katib's: see docs/decisions/0004-search-efficiency.md.
    """

    controller_hidden_size: int = integer(64, _POSITIVE)
    """Width of the controller's LSTM and of its embeddings; the service takes up to `--max-hidden-size`, 1024."""
    controller_temperature: float | None = number(None, _SCALE, optional=True)
    """The logits of every decision are divided by it."""
    controller_tanh_const: float | None = number(2.25, _SCALE, optional=True)
    """Logits become ``tanh_const * tanh(logits)``, so no decision is ever certain."""
    controller_entropy_weight: float | None = number(1e-5, _SCALE, optional=True)
    """Weight of the policy's entropy, which joins the reward."""
    controller_baseline_decay: float = number(0.999, _SHARE)
    """Decay of the moving average of rewards, the baseline."""
    controller_learning_rate: float = number(3e-3, _SHARE)
    """Learning rate of Adam."""
    controller_skip_target: float = number(0.4, _SHARE)
    """The share of joins that the skip penalty draws towards."""
    controller_skip_weight: float | None = number(0.8, _SCALE, optional=True)
    """Weight of the KL divergence of the joining probabilities from skip_target, which joins the loss."""
    controller_train_steps: int = integer(10, _POSITIVE)
    """Gradient steps a call that brings newly finished trials; the service takes up to `--max-train-steps`, 1000."""
    controller_log_every_steps: int = integer(10, _POSITIVE)
    """Steps between two lines of the training log."""
    search_for: str = choice("macro", "micro", "recurrent")
    """What nasConfig asks for: the layers of a network with their joins, two cells of which a network of pictures is
    stacked, or the recurrent cell of a language model. The name is that of the paper's code."""
    num_nodes: int | None = integer(None, Interval(minimum=1, maximum=64))
    """Nodes of a cell, its inputs not counted: 5 in micro and 8 in recurrent where it is not given; macro has none."""
    budget: Budget | None = of_text(Budget.parse, budgets.ALLOWED)
    """What a network may cost: each name one of `additionalMetricNames`. Within it the best is searched for."""
    front: str | None = of_text(_front, _FRONT)
    """A cost: not one network is searched for but the best at each cost. With a budget, within it."""
