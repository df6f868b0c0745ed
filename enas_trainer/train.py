"""Training of a child: a few epochs that tell good architectures from bad ones.

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from trial_runtime.batches import Batches
from trial_runtime.errors import TrainingDiverged
from trial_runtime.progress import bar


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSettings:
    """How a child is trained."""

    num_epochs: int = 10
    """Passes over the training images; Katib's default."""
    batch_size: int = 128
    """Images of a step; Katib's default."""
    learning_rate: float = 0.1
    """Peak of the schedule."""

    def __post_init__(self) -> None:
        assert self.num_epochs >= 1, self.num_epochs
        assert self.batch_size >= 1, self.batch_size
        assert 0 < self.learning_rate < math.inf, self.learning_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to; accuracies are shares from 0 to 1, losses are mean cross entropies in nats."""

    epoch: int
    """Counted from 1."""
    training_accuracy: float
    training_loss: float
    validation_accuracy: float
    validation_loss: float


def train(
    child: nn.Module, training: Batches, validation: Batches, settings: TrainingSettings
) -> Iterator[EpochMetrics]:
    """Train a child and measure it after every epoch.

    Nesterov momentum with weight decay; the learning rate rises over the first part of the steps and falls to nothing
    over the rest (Smith and Topin, 1708.07120), so that a trial of one epoch ends as settled as one of a hundred.

    Args:
        child: images (B, C, H, W) to logits (B, K), on the device of the batches.
        training: for training.
        validation: of images that are not among the training images.
        settings: how long and how fast.

    Raises:
        TrainingDiverged: a loss is not finite.
    """
    optimizer = SGD(child.parameters(), lr=settings.learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    num_steps = settings.num_epochs * len(training)
    scheduler = OneCycleLR(optimizer, settings.learning_rate, total_steps=num_steps + 1)
    for epoch in range(1, settings.num_epochs + 1):
        child.train()
        sums = _Sums()
        steps = bar(training, total=len(training), description=f"epoch {epoch}", images_per_step=settings.batch_size)
        for x_bchw, labels_b in steps:
            logits_bk = child(x_bchw)
            loss = functional.cross_entropy(logits_bk, labels_b)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            scheduler.step()
            sums.add(loss.detach(), logits_bk.detach(), labels_b)
        training_loss, training_accuracy = sums.means(epoch, "training")
        validation_loss, validation_accuracy = evaluate(child, validation, epoch)
        yield EpochMetrics(
            epoch=epoch,
            training_accuracy=training_accuracy,
            training_loss=training_loss,
            validation_accuracy=validation_accuracy,
            validation_loss=validation_loss,
        )


@torch.no_grad()
def evaluate(child: nn.Module, batches: Batches, epoch: int) -> tuple[float, float]:
    """Return mean loss and accuracy of a child over batches.

    Raises:
        TrainingDiverged: the loss is not finite.
    """
    child.eval()
    sums = _Sums()
    for x_bchw, labels_b in batches:
        logits_bk = child(x_bchw)
        sums.add(functional.cross_entropy(logits_bk, labels_b), logits_bk, labels_b)
    return sums.means(epoch, "validation")


class _Sums:
    """Sums over images, kept on the device: reading a number there would make each step wait for the one before."""

    def __init__(self) -> None:
        self._loss: Tensor | float = 0.0
        self._correct: Tensor | float = 0.0
        self._images = 0

    def add(self, loss: Tensor, logits_bk: Tensor, labels_b: Tensor) -> None:
        """Add a batch with its mean loss."""
        self._loss = self._loss + loss * len(labels_b)
        self._correct = self._correct + (logits_bk.argmax(dim=1) == labels_b).sum()
        self._images += len(labels_b)

    def means(self, epoch: int, part: str) -> tuple[float, float]:
        """Return mean loss and accuracy."""
        loss = float(self._loss) / self._images
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the {part} loss is {loss} in epoch {epoch}: the training diverged")
        return loss, float(self._correct) / self._images
