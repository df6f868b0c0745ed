"""The training of a found network on images, by any recipe of SGD.

Shape suffixes: b images, c channels, h height, w width, k classes.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from trial_runtime.checkpointing.standing import Standing
from trial_runtime.gradients import apply_gradients, clipped
from trial_runtime.images.batches import Batches
from trial_runtime.images.tally import Means, Tally, evaluate
from trial_runtime.processes.joint_batch import average_statistics, share_of_loss
from trial_runtime.reporting.progress import bar
from trial_runtime.retraining.data import RetrainData

logger = logging.getLogger(__name__)


class Recipe(Protocol):
    """How a network learns."""

    @property
    def num_epochs(self) -> int:
        """Passes over the training images."""

    @property
    def learning_rate(self) -> float:
        """The largest."""

    @property
    def grad_clip(self) -> float:
        """Largest norm of the gradient in a step; 0 switches clipping off."""

    @property
    def print_step(self) -> int:
        """Steps between two progress lines."""

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""

    def optimiser(self, weights: Sequence[nn.Parameter]) -> torch.optim.SGD:
        """Return what moves the weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chance:
    """What is drawn for a step: for the joint batch, so that it does not matter how many processes share it."""

    generator: torch.Generator
    """On the CPU, and in the same state in every process."""
    epoch: int
    """Counted from 1."""
    batch_size: int
    """Images of the joint batch."""
    share: slice
    """Those of this process."""


class Losses(NamedTuple):
    """What a network makes of a batch while it learns; losses are means over its images."""

    total: Tensor
    """Whose gradient moves the weights."""
    loss: Tensor
    """Cross entropy of the classifier that is kept, in nats."""
    logits_bk: Tensor
    """Of that one."""


Learner = Callable[[Tensor, Tensor, Chance], Losses]
"""Computes the losses of images (B, C, H, W), on their device, and labels (B,)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to."""

    epoch: int
    """Counted from 1."""
    training: Means
    """Over the epoch's steps, each before it moved the weights, of the first classifier."""
    validation: Means | None
    """After the epoch, over the images held out; None where there are none."""
    seconds: float = field(compare=False)
    """For training and validation."""
    images_per_second: float = field(compare=False)
    """While training."""


class Retraining:
    """The training of a network, which can be left at any step and gone on with.

    Iterating trains on, from where the training stands, and yields each epoch's metrics. Several processes take the
    steps of one alone on the joint batch, but that each normalises by the images of its own share.

    Attributes:
        step: steps of the present epoch that are taken.

    Raises, while it trains:
        TrainingDiverged: a loss is not finite; in every process alike.
        ProcessLost: another process has ended.
    """

    def __init__(
        self,
        network: nn.Module,
        learner: Learner,
        data: RetrainData,
        recipe: Recipe,
        *,
        generator: torch.Generator,
        after_step: Callable[["Retraining"], None] | None = None,
    ) -> None:
        """Stand before the first epoch.

        Args:
            network: images to logits, on the device of the data, and the same in every process.
            learner: of that network.
            data: to learn from.
            recipe: of the optimisation.
            generator: on the CPU; what the learner draws comes from it, the same in every process.
            after_step: called after every step, with this.
        """
        self._network = network
        self._data = data
        self._recipe = recipe
        self._learner = learner
        self._generator = generator
        self._after_step = after_step
        self._processes = data.training.processes
        self._weights = list(network.parameters())
        self._sgd = recipe.optimiser(self._weights)
        self._standing = Standing(recipe.num_epochs, self._new_tally)

    @property
    def step(self) -> int:
        """See the class."""
        return self._standing.step

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train on."""
        return self._standing.epochs(self._run_epoch)

    def classify(self, batches: Batches, name: str) -> Means:
        """Return mean loss and accuracy on images that nothing is learnt from.

        Raises:
            TrainingDiverged: a loss is not finite.
        """
        return evaluate(self._network, batches, self._new_tally(name))

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to train on to the same result; each process must ask.

        Within an epoch the processes are given the mean of their running statistics, as at its end: the result is the
        same but for rounding.
        """
        if self.step:
            average_statistics(self._network, self._processes)
        return {
            **self._standing.state_dict(),
            "network": self._network.state_dict(),
            "sgd": self._sgd.state_dict(),
            "paths": self._generator.get_state(),
            "training": self._data.training.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another training, with the same arguments, stood."""
        self._standing.load_state_dict(state)
        self._network.load_state_dict(state["network"])
        self._sgd.load_state_dict(state["sgd"])
        self._generator.set_state(state["paths"])
        self._data.training.load_state_dict(state["training"], is_within_pass=self.step > 0)

    def _run_epoch(self) -> EpochMetrics:
        standing = self._standing
        validation = None
        with standing.clock:
            self._train()
            training = standing.tally.means()
            images_per_second = self.step * self._data.batch_size / standing.clock.seconds
            average_statistics(self._network, self._processes)
            if self._data.validation is not None:
                validation = self.classify(self._data.validation, f"epoch {standing.epoch}, validation")
        return EpochMetrics(
            epoch=standing.epoch,
            training=training,
            validation=validation,
            seconds=standing.clock.seconds,
            images_per_second=images_per_second,
        )

    def _train(self) -> None:
        """Take the epoch's steps, or those that are left."""
        self._network.train()
        self._sgd.param_groups[0]["lr"] = self._recipe.rate(self._standing.epoch)
        batches = bar(
            self._data.training,
            total=len(self._data.training),
            description=f"epoch {self._standing.epoch}",
            per_step=self._data.batch_size,
            first_step=self.step,
            is_watched=self._processes.is_first,
        )
        for x_bchw, labels_b in batches:
            self._take_step(x_bchw, labels_b)
            if self.step % self._recipe.print_step == 0:
                self._log()
            if self._after_step is not None:
                self._after_step(self)

    def _take_step(self, x_bchw: Tensor, labels_b: Tensor) -> None:
        """Move the weights down the loss of a batch."""
        size = self._data.batch_size
        chance = Chance(
            generator=self._generator,
            epoch=self._standing.epoch,
            batch_size=size,
            share=self._processes.share(size),
        )
        total, loss, logits_bk = self._learner(x_bchw, labels_b, chance)
        share = share_of_loss(total, labels_b, size)
        # Where no cell reads an input, nothing may come of the cell there: its gradients are zeros.
        shares = torch.autograd.grad(share, self._weights, materialize_grads=True)
        gradients = clipped(self._processes.add_up(shares), self._recipe.grad_clip)
        apply_gradients(self._sgd, self._weights, gradients)
        self._standing.tally.add(loss, logits_bk, labels_b)

    def _log(self) -> None:
        means = self._standing.tally.means()
        if not sys.stderr.isatty():  # a terminal shows a bar
            num_steps = len(self._data.training)
            logger.info("epoch %d, step %d of %d: training %s", self._standing.epoch, self.step, num_steps, means)

    def _new_tally(self, name: str) -> Tally:
        remedy = (
            f"smaller values of --learning-rate ({self._recipe.learning_rate:g}) or --grad-clip "
            f"({self._recipe.grad_clip:g}, where 0 switches clipping off) may help"
        )
        return Tally(name, self._processes, remedy)
