"""The search: alphas and weights move in turn, each on its own half of the data (arXiv 1806.09055, algorithm 1).

Shape suffixes: b images, c channels, h height, w width, k classes, s steps.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from darts_service.settings import DartsSettings
from darts_trainer.bilevel import BilevelOptimiser
from darts_trainer.collapse import auxiliary_weight
from darts_trainer.supernet import Supernet, frozen_statistics
from trial_runtime import datasets, seeds
from trial_runtime.batches import Batches, Normalisation
from trial_runtime.datasets import ImageDataset
from trial_runtime.joint_batch import average_statistics, share_of_loss
from trial_runtime.processes import ALONE, Processes
from trial_runtime.progress import bar
from trial_runtime.tally import Tally, evaluate

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) and labels (B,)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to; accuracies are shares from 0 to 1, losses are mean cross entropies in nats."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the epoch's weight steps, each before it moved the weights."""
    train_accuracy: float
    validation_loss: float
    """After the epoch, over the half that the weights do not learn from."""
    validation_accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchData:
    """The two parts of the training images: halves, unless asked otherwise."""

    training: Batches
    """The part that the weights learn from, augmented."""
    architecture: Batches
    """The part that the alphas learn from, augmented."""
    validation: Batches
    """The same part, as it is."""
    batch_size: int
    """Images in a step, from each part; those of all processes together."""

    @property
    def processes(self) -> Processes:
        """Those that share every batch."""
        return self.training.processes

    @classmethod
    def of(
        cls,
        images: ImageDataset,
        batch_size: int,
        *,
        device: torch.device,
        seed: int,
        train_portion: float = 0.5,
        cutout: int = 0,
        processes: Processes = ALONE,
    ) -> "SearchData":
        """Divide images at random into two parts; the same ones in every process that has the seed.

        A part with fewer images than batch_size becomes one batch, so that every epoch has a step; that is warned of.

        Args:
            images: to be divided.
            batch_size: images in a step, from each part.
            device: where the batches are.
            seed: of the division, the order and the augmentation.
            train_portion: share of the images that the weights learn from, between 0 and 1; the paper's is a half.
            cutout: see `Batches`.
            processes: those that share the batches.

        Raises:
            DatasetError: there are fewer than two images.
        """
        weight_part, alpha_part = datasets.split(images, train_portion, seeds.generator(seed, "halves"))
        smaller = min(len(weight_part), len(alpha_part))
        if smaller < batch_size:
            logger.warning("batch_size %d is more than the smaller part of the data: using %d", batch_size, smaller)
            batch_size = smaller
        logger.info("%s: %d images for the weights, %d for the alphas", images.name, len(weight_part), len(alpha_part))
        normalisation = Normalisation.of(images)

        def batches(part: ImageDataset, stream: str, *, training: bool) -> Batches:
            return Batches(
                part,
                batch_size,
                normalisation=normalisation,
                device=device,
                generator=seeds.generator(seed, stream),
                training=training,
                cutout=cutout,
                processes=processes,
            )

        return cls(
            training=batches(weight_part, "weight batches", training=True),
            architecture=batches(alpha_part, "architecture batches", training=True),
            validation=batches(alpha_part, "validation batches", training=False),
            batch_size=batch_size,
        )


def search(
    supernet: Supernet, data: SearchData, settings: DartsSettings, *, order: int, alpha_warmup_epochs: int = 0
) -> Iterator[EpochMetrics]:
    """Search, and measure the supernet after every epoch.

    Several processes take the steps of one alone on the joint batch, but that each normalises by the images of its own
    share.

    Args:
        supernet: on the device of the data, and the same in every process; its alphas are the result.
        data: both halves.
        settings: of the optimisation.
        order: 2 looks one weight step ahead in the architecture step, 1 does not.
        alpha_warmup_epochs: epochs at the start without architecture steps.

    Raises:
        TrainingDiverged: a loss is not finite; in every process alike.
        ProcessLost: another process has ended.
    """
    optimiser = BilevelOptimiser(
        supernet.weights(), supernet.alphas(), settings, order=order, add_up=data.processes.add_up
    )
    for epoch in range(1, settings.num_epochs + 1):
        supernet.auxiliary_weight = auxiliary_weight(epoch, settings.num_epochs)
        alphas_move = epoch > alpha_warmup_epochs
        train_loss, train_accuracy = _train(supernet, optimiser, data, settings, epoch, alphas_move=alphas_move)
        average_statistics(supernet, data.processes)
        validation_loss, validation_accuracy = evaluate(
            supernet, data.validation, _tally(f"epoch {epoch}, validation", settings, data.processes)
        )
        optimiser.end_epoch()
        yield EpochMetrics(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
        )


def _train(
    supernet: Supernet,
    optimiser: BilevelOptimiser,
    data: SearchData,
    settings: DartsSettings,
    epoch: int,
    *,
    alphas_move: bool,
) -> tuple[float, float]:
    """Take an epoch's steps; return mean loss and accuracy on the training half."""
    supernet.train()
    tally = _tally(f"epoch {epoch}, training", settings, data.processes)
    num_steps = len(data.training)
    pairs: Iterable[tuple[Batch, Batch]] = zip(data.training, _endless(data.architecture), strict=False)
    if data.processes.is_first:
        pairs = bar(pairs, total=num_steps, description=f"epoch {epoch}", images_per_step=data.batch_size)
    for step, (train_batch, validation_batch) in enumerate(pairs, 1):
        if alphas_move:
            _architecture_step(supernet, optimiser, train_batch, validation_batch, data.batch_size)
        x_bchw, labels_b = train_batch
        logits_bk = supernet(x_bchw)
        loss = functional.cross_entropy(logits_bk, labels_b)
        optimiser.weight_step(share_of_loss(loss, labels_b, data.batch_size))
        tally.add(loss, logits_bk, labels_b)
        if step % settings.print_step == 0:
            loss_so_far, accuracy = tally.means()
            if not sys.stderr.isatty():  # a terminal shows a bar
                logger.info(
                    "epoch %d, step %d of %d: training loss %.4f, accuracy %.4f",
                    epoch, step, num_steps, loss_so_far, accuracy,
                )  # fmt: skip
    return tally.means()


def _architecture_step(
    supernet: Supernet, optimiser: BilevelOptimiser, train_batch: Batch, validation_batch: Batch, batch_size: int
) -> None:
    def loss_on(batch: Batch) -> Tensor:
        x_bchw, labels_b = batch
        return share_of_loss(functional.cross_entropy(supernet(x_bchw), labels_b), labels_b, batch_size)

    # Running statistics describe the weights that are kept, and these passes are at others.
    with frozen_statistics(supernet):
        optimiser.architecture_step(lambda: loss_on(train_batch), lambda: loss_on(validation_batch))


def _endless(batches: Batches) -> Iterator[Batch]:
    """Pass after pass: halves of an odd number of images can differ by a batch."""
    while True:
        yield from batches


def _tally(name: str, settings: DartsSettings, processes: Processes) -> Tally:
    remedy = (
        f"smaller values of w_lr ({settings.w_lr:g}), alpha_lr ({settings.alpha_lr:g}) or w_grad_clip "
        f"({settings.w_grad_clip:g}, where 0 switches clipping off) may help"
    )
    return Tally(name, processes, remedy)
