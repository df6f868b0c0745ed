"""What the training of a child goes down.

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn
from torch.nn import functional


class Losses(NamedTuple):
    """Of this process's share of a batch."""

    total: Tensor
    """What the weights go down."""
    loss: Tensor
    """Mean cross entropy of the logits, in nats: what is told."""
    logits_bk: Tensor


class Objective(Protocol):
    """From a batch to its losses; what it draws, it can draw again."""

    def __call__(self, x_bchw: Tensor, labels_b: Tensor, progress: float) -> Losses:
        """Pass images through the network.

        Args:
            x_bchw: images.
            labels_b: their classes.
            progress: share of the training's steps that are taken, from 0 to below 1.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to draw what comes next here."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another one stood."""


class CrossEntropy:
    """The cross entropy of a network's logits, and nothing else.

    Args:
        child: images (B, C, H, W) to logits (B, K).
    """

    def __init__(self, child: nn.Module) -> None:
        self._child = child

    def __call__(self, x_bchw: Tensor, labels_b: Tensor, progress: float) -> Losses:
        """See `Objective`."""
        logits_bk = self._child(x_bchw)
        loss = functional.cross_entropy(logits_bk, labels_b)
        return Losses(loss, loss, logits_bk)

    def state_dict(self) -> dict[str, Any]:
        """See `Objective`."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Objective`."""
