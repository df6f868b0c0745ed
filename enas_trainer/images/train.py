"""Training of a child: a few epochs that tell good architectures from bad ones.

Legend of shapes: b images of a batch, c channels, h and w pixels, k classes.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from enas_trainer.objective import CrossEntropy, Objective
from trial_runtime.checkpointing.standing import Standing
from trial_runtime.images.batches import Batches
from trial_runtime.images.tally import Tally, evaluate
from trial_runtime.processes.joint_batch import average_statistics, share_of_loss
from trial_runtime.reporting.progress import bar

LEARNING_RATES: Mapping[str, float] = MappingProxyType({"sgd": 0.1, "adam": 0.002})
"""Optimisers, and the peak of the schedule for each where none is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSettings:
    """How a child is trained."""

    num_epochs: int = 10
    """Passes over the training images; Katib's default."""
    batch_size: int = 128
    """Images of a step, of all processes together; Katib's default."""
    optimizer: str = "sgd"
    """One of `LEARNING_RATES`."""
    learning_rate: float = LEARNING_RATES["sgd"]
    """Peak of the schedule."""

    def __post_init__(self) -> None:
        assert self.num_epochs >= 1, self.num_epochs
        assert self.batch_size >= 1, self.batch_size
        assert self.optimizer in LEARNING_RATES, self.optimizer
        assert 0 < self.learning_rate < math.inf, self.learning_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to; accuracies are shares from 0 to 1, losses are mean cross entropies in nats."""

    epoch: int
    """Counted from 1."""
    training_accuracy: float
    """Over the epoch's steps, each before it moved the weights; the loss, too."""
    training_loss: float
    validation_accuracy: float
    """After the epoch; the loss, too."""
    validation_loss: float
    seconds: float = field(compare=False)
    """For training and validation."""
    images_per_second: float = field(compare=False)
    """While training."""


class Training:
    """The training of a child, which measures it after every epoch, and can be left at any step and gone on with.

    The learning rate rises over the first part of the steps and falls to nothing over the rest, along cosines (Smith
    and Topin, 1708.07120), so that a trial of one epoch ends as settled as one of a hundred.

    Several processes take the steps of one alone on the joint batch, but that each normalises by the images of its own
    share.

    Attributes:
        step: steps of the present epoch that are taken.

    Raises, while it trains:
        TrainingDiverged: a loss is not finite; in every process alike.
        ProcessLost: another process has ended.
    """

    def __init__(
        self,
        child: nn.Module,
        training: Batches,
        validation: Batches,
        settings: TrainingSettings,
        *,
        objective: Objective | None = None,
        after_step: Callable[["Training"], None] | None = None,
    ) -> None:
        """Stand before the first epoch.

        Args:
            child: images (B, C, H, W) to logits (B, K), on the device of the batches; the same in every process.
            training: for training.
            validation: of images that are not among the training images.
            settings: how long and how fast.
            objective: what the weights go down; None for the cross entropy of the child's logits.
            after_step: called after every step, with this.
        """
        self._child = child
        self._training = training
        self._validation = validation
        self._settings = settings
        self._objective = objective or CrossEntropy(child)
        self._after_step = after_step
        self._optimizer = _optimizer(child, settings)
        self._num_steps = settings.num_epochs * len(training)
        self._schedule = OneCycleLR(
            self._optimizer,
            settings.learning_rate,
            total_steps=self._num_steps + 1,  # the last would move next to nothing
            anneal_strategy="cos",
            cycle_momentum=False,
        )
        self._standing = Standing(settings.num_epochs, self._new_tally)

    @property
    def step(self) -> int:
        """See the class."""
        return self._standing.step

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train on; yield what each epoch came to."""
        return self._standing.epochs(self._run_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to train on to the same result; each process must ask.

        Within an epoch the processes are given the mean of their running statistics, as at its end: the result is the
        same but for rounding.
        """
        if self.step:
            average_statistics(self._child, self._training.processes)
        return {
            **self._standing.state_dict(),
            "child": self._child.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "training": self._training.state_dict(),
            "objective": self._objective.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another training, with the same arguments, stood."""
        self._standing.load_state_dict(state)
        self._child.load_state_dict(state["child"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._training.load_state_dict(state["training"], is_within_pass=self.step > 0)
        self._objective.load_state_dict(state.get("objective", {}))  # those of 0.1.0 have none

    def _run_epoch(self) -> EpochMetrics:
        standing = self._standing
        with standing.clock:
            self._train()
            training = standing.tally.means()
            images_per_second = self.step * self._training.batch_size / standing.clock.seconds
            average_statistics(self._child, self._training.processes)
            tally = self._new_tally(f"epoch {standing.epoch}, validation")
            validation = evaluate(self._child, self._validation, tally)
        return EpochMetrics(
            epoch=standing.epoch,
            training_accuracy=training.accuracy,
            training_loss=training.loss,
            validation_accuracy=validation.accuracy,
            validation_loss=validation.loss,
            seconds=standing.clock.seconds,
            images_per_second=images_per_second,
        )

    def _train(self) -> None:
        """Take the epoch's steps, or those that are left."""
        self._child.train()
        batches = bar(
            self._training,
            total=len(self._training),
            description=f"epoch {self._standing.epoch}",
            per_step=self._training.batch_size,
            first_step=self.step,
            is_watched=self._training.processes.is_first,
        )
        for x_bchw, labels_b in batches:
            loss, logits_bk = self._step(x_bchw, labels_b)
            self._standing.tally.add(loss, logits_bk, labels_b)
            if self._after_step is not None:
                self._after_step(self)

    def _step(self, x_bchw: Tensor, labels_b: Tensor) -> tuple[Tensor, Tensor]:
        """Move the weights; return this process's loss and logits before that."""
        progress = ((self._standing.epoch - 1) * len(self._training) + self.step) / self._num_steps
        losses = self._objective(x_bchw, labels_b, progress)
        self._optimizer.zero_grad()
        torch.autograd.backward(share_of_loss(losses.total, labels_b, self._training.batch_size))
        weights = [weight for weight in self._child.parameters() if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        for weight, gradient in zip(weights, self._training.processes.add_up(gradients), strict=True):
            weight.grad = gradient
        self._optimizer.step()
        self._schedule.step()
        return losses.loss, losses.logits_bk

    def _new_tally(self, name: str) -> Tally:
        remedy = f"a smaller learning rate than {self._settings.learning_rate:g} may help"
        return Tally(name, self._training.processes, remedy)


def _optimizer(child: nn.Module, settings: TrainingSettings) -> Optimizer:
    """SGD with Nesterov momentum and weight decay, or Adam; each moves all weights by one call."""
    weights = list(child.parameters())
    fused = all(weight.device.type in ("cpu", "cuda") for weight in weights)
    if settings.optimizer == "adam":
        return Adam(weights, lr=settings.learning_rate, fused=fused)
    return SGD(weights, lr=settings.learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=fused)
