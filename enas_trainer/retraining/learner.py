"""How a found macro network learns: features are dropped before its classifier, as in the published final training.

Shape suffixes: b images, c features, h height, w width, k classes.
"""

import torch
from torch import Tensor
from torch.nn import functional

from enas_trainer.macro.child import Child
from trial_runtime.retraining.training import Chance, Losses


class MacroLearner:
    """Computes the loss of a network; see `trial_runtime.retraining.training.Learner`."""

    def __init__(self, network: Child, dropout: float) -> None:
        """Make it.

        Args:
            network: on some device.
            dropout: share of the features that is dropped, from 0 to below 1.
        """
        self._network = network
        self._dropout = dropout

    def __call__(self, x_bchw: Tensor, labels_b: Tensor, chance: Chance) -> Losses:
        """Return the loss of the classifier, which the gradient is of as well."""
        logits_bk = self._network.training_logits(x_bchw, self._draw_features(chance, x_bchw.device))
        loss = functional.cross_entropy(logits_bk, labels_b)
        return Losses(total=loss, loss=loss, logits_bk=logits_bk)

    def _draw_features(self, chance: Chance, device: torch.device) -> Tensor | None:
        if self._dropout == 0:
            return None
        drawn_bc = torch.rand(chance.batch_size, self._network.num_features, generator=chance.generator)
        is_kept_bc = drawn_bc[chance.share] >= self._dropout
        return (is_kept_bc / (1 - self._dropout)).to(device)
