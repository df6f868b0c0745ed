"""Collapse: searches that go on for long tend to end with cells of skip connections.

A skip connection has nothing to learn, so it is ahead of the convolutions while these are not trained, and the alphas
may settle on it. DARTS+ (arXiv 1909.06035) stops the search before; DARTS- (arXiv 2009.01027) gives each edge a skip
connection that is no candidate, until the convolutions are trained.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from darts_genotype.genotype import Genotype, num_skips
from darts_genotype.primitives import SKIP_CONNECTION

_WITHOUT_WEIGHTS = ("avg_pooling", "max_pooling", SKIP_CONNECTION, "none")


def with_weights(primitives: Sequence[str]) -> list[int]:
    """Return the places of the operations that have weights to learn."""
    return [place for place, primitive in enumerate(primitives) if not primitive.startswith(_WITHOUT_WEIGHTS)]


def auxiliary_weight(epoch: int, num_epochs: int) -> float:
    """Weight of the auxiliary skips in an epoch, counted from 1: it falls from 1 in a line that ends at 0.

    As in the published code of DARTS-, it changes between epochs, and the last one still has one step to go.
    """
    return 1 - (epoch - 1) / num_epochs


class StopRule:
    """Says after each epoch whether to end the search there (DARTS+, section 3.3).

    Args:
        at_skips: criterion 1: end when the genotype's normal cell has that many skip connections; None for never.
        when_stable: criterion 1*: end when for that many epochs the operations with weights have not changed places, by
            their alphas, on any edge; None for never.
        primitives: the operations of each edge, in the order of the alphas.
    """

    def __init__(self, *, at_skips: int | None, when_stable: int | None, primitives: Sequence[str]) -> None:
        self._at_skips = at_skips
        self._when_stable = when_stable
        self._places = with_weights(primitives)
        self._ranking: list[list[int]] | None = None
        self._stable_epochs = 0

    def reason(self, found: Genotype, mixtures: Iterable[Tensor | None]) -> str | None:
        """Take note of an epoch in which the alphas have moved, and return why to stop after it; None to go on.

        Args:
            found: the genotype of the mixtures.
            mixtures: weights of the operations in each kind of cell, (E, O); None for a kind that there is not.
        """
        kinds = [weight_eo for weight_eo in mixtures if weight_eo is not None]
        ranking = torch.cat(kinds)[:, self._places].argsort(dim=1).tolist()
        self._stable_epochs = self._stable_epochs + 1 if ranking == self._ranking else 0
        self._ranking = ranking
        skips = num_skips(found.normal)
        if self._at_skips is not None and skips >= self._at_skips:
            return f"the normal cell has {skips} skip connections"
        if self._when_stable is not None and self._stable_epochs >= self._when_stable:
            return f"the alphas have ranked the operations with weights alike for {self._stable_epochs} epochs"
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on after the last epoch that was noted."""
        return {"ranking": self._ranking, "stable_epochs": self._stable_epochs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another rule stood."""
        self._ranking, self._stable_epochs = state["ranking"], state["stable_epochs"]
