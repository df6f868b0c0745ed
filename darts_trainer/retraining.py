"""The training of a found network (arXiv 1806.09055, section 3.2).

Shape suffixes: b images, c channels, h height, w width, k classes, p paths.
"""

import dataclasses
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from darts_trainer.network import Network, drop_paths
from darts_trainer.retrain_config import RetrainSettings
from trial_runtime import datasets, seeds
from trial_runtime.batches import Batches, Normalisation
from trial_runtime.datasets import ImageDataset
from trial_runtime.joint_batch import average_statistics, share_of_loss
from trial_runtime.processes import ALONE, Processes
from trial_runtime.progress import bar
from trial_runtime.tally import Tally, evaluate

COMMON_SEED = 0
"""Decides which images are held out: the same in every run, so that runs can be compared."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to; accuracies are shares from 0 to 1, losses are mean cross entropies in nats."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the epoch's steps, each before it moved the weights, of the first classifier."""
    train_accuracy: float
    validation_loss: float | None
    """After the epoch, over the images held out; None where there are none."""
    validation_accuracy: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainData:
    """The training images, and those held out of them."""

    training: Batches
    """Augmented."""
    validation: Batches | None
    """As they are."""
    batch_size: int
    """Images in a step; those of all processes together."""
    normalisation: Normalisation
    """Of the training images."""

    @classmethod
    def of(
        cls,
        images: ImageDataset,
        batch_size: int,
        *,
        train_portion: float,
        cutout: int,
        device: torch.device,
        seed: int,
        processes: Processes = ALONE,
    ) -> "RetrainData":
        """Hold images out where asked to; the same ones in every run.

        Fewer training images than batch_size become one batch, so that every epoch has a step; that is warned of.

        Raises:
            DatasetError: there are too few images to hold any out.
        """
        held_out = None
        if train_portion < 1:
            images, held_out = datasets.split(images, train_portion, seeds.generator(COMMON_SEED, "held out"))
        if len(images) < batch_size:
            logger.warning("batch_size %d is more than there are training images: using %d", batch_size, len(images))
            batch_size = len(images)
        logger.info("%s: %d images to train on, %d held out", images.name, len(images), len(held_out or ()))
        normalisation = Normalisation.of(images)
        training = Batches(
            images,
            batch_size,
            normalisation=normalisation,
            device=device,
            generator=seeds.generator(seed, "batches"),
            training=True,
            cutout=cutout,
            processes=processes,
        )
        data = cls(training=training, validation=None, batch_size=batch_size, normalisation=normalisation)
        if held_out is None:
            return data
        return dataclasses.replace(data, validation=data.to_classify(held_out, device))

    def to_classify(self, images: ImageDataset, device: torch.device) -> Batches:
        """Return batches of other images, as they are but for the normalisation."""
        return Batches(
            images,
            self.batch_size,
            normalisation=self.normalisation,
            device=device,
            generator=torch.Generator(),
            training=False,
            processes=self.training.processes,
        )


class Retraining:
    """A network that learns, epoch by epoch.

    Several processes take the steps of one alone on the joint batch, but that each normalises by the images of its own
    share.

    Args:
        network: on the device of the data, and the same in every process.
        data: to learn from.
        settings: of the optimisation.
        generator: on the CPU; draws which paths are dropped, the same in every process.
    """

    def __init__(
        self, network: Network, data: RetrainData, settings: RetrainSettings, *, generator: torch.Generator
    ) -> None:
        self._network = network
        self._data = data
        self._settings = settings
        self._generator = generator
        self._weights = list(network.parameters())
        self._sgd = torch.optim.SGD(
            self._weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train, and classify the images held out after every epoch.

        Raises:
            TrainingDiverged: a loss is not finite; in every process alike.
            ProcessLost: another process has ended.
        """
        for epoch in range(1, self._settings.num_epochs + 1):
            train_loss, train_accuracy = self._train(epoch)
            average_statistics(self._network, self._data.training.processes)
            validation_loss = validation_accuracy = None
            if self._data.validation is not None:
                validation_loss, validation_accuracy = self.classify(
                    self._data.validation, f"epoch {epoch}, validation"
                )
            yield EpochMetrics(
                epoch=epoch,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
            )

    def classify(self, batches: Batches, name: str) -> tuple[float, float]:
        """Return mean loss and accuracy on images that nothing is learnt from.

        Raises:
            TrainingDiverged: a loss is not finite.
        """
        return evaluate(self._network, batches, self._tally(name))

    def _train(self, epoch: int) -> tuple[float, float]:
        """Take an epoch's steps; return mean loss and accuracy."""
        self._network.train()
        learning_rate = cosine(epoch, self._settings)
        for group in self._sgd.param_groups:
            group["lr"] = learning_rate
        drop_probability = self._settings.drop_path * (epoch - 1) / self._settings.num_epochs
        tally = self._tally(f"epoch {epoch}, training")
        for step, (x_bchw, labels_b) in enumerate(self._steps(epoch), 1):
            tally.add(*self._step(x_bchw, labels_b, drop_probability), labels_b)
            if step % self._settings.print_step == 0:
                loss_so_far, accuracy = tally.means()
                if not sys.stderr.isatty():  # a terminal shows a bar
                    logger.info(
                        "epoch %d, step %d of %d: training loss %.4f, accuracy %.4f",
                        epoch, step, len(self._data.training), loss_so_far, accuracy,
                    )  # fmt: skip
        return tally.means()

    def _steps(self, epoch: int) -> Iterable[tuple[Tensor, Tensor]]:
        training = self._data.training
        if not training.processes.is_first:
            return training
        return bar(training, total=len(training), description=f"epoch {epoch}", images_per_step=self._data.batch_size)

    def _step(self, x_bchw: Tensor, labels_b: Tensor, drop_probability: float) -> tuple[Tensor, Tensor]:
        """Move the weights down the loss of a batch; return loss and logits of the first classifier before that."""
        processes = self._data.training.processes
        path_scale_pb = None
        if drop_probability > 0:
            # Drawn for the joint batch: then it does not matter how many processes share it.
            drawn_pb = drop_paths(self._network.num_paths, self._data.batch_size, drop_probability, self._generator)
            path_scale_pb = drawn_pb[:, processes.share(self._data.batch_size)].to(x_bchw.device)
        logits_bk, auxiliary_bk = self._network.training_logits(x_bchw, path_scale_pb)
        loss = total = functional.cross_entropy(logits_bk, labels_b)
        if auxiliary_bk is not None:
            total = loss + self._settings.auxiliary_weight * functional.cross_entropy(auxiliary_bk, labels_b)
        gradients = torch.autograd.grad(share_of_loss(total, labels_b, self._data.batch_size), self._weights)
        self._move(processes.add_up(gradients))
        return loss, logits_bk

    def _move(self, gradients: Sequence[Tensor]) -> None:
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
        if self._settings.grad_clip > 0:
            torch.nn.utils.clip_grad_norm_(self._weights, self._settings.grad_clip)
        self._sgd.step()
        self._sgd.zero_grad(set_to_none=True)

    def _tally(self, name: str) -> Tally:
        remedy = (
            f"smaller values of --learning-rate ({self._settings.learning_rate:g}) or --grad-clip "
            f"({self._settings.grad_clip:g}, where 0 switches clipping off) may help"
        )
        return Tally(name, self._data.training.processes, remedy)


def cosine(epoch: int, settings: RetrainSettings) -> float:
    """Return the learning rate of an epoch, counted from 1: half a cosine, from the first to the one after the last."""
    share = (1 + math.cos(math.pi * (epoch - 1) / settings.num_epochs)) / 2
    return settings.learning_rate_min + (settings.learning_rate - settings.learning_rate_min) * share
