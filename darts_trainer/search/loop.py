"""The search: alphas and weights move in turn, each on its own half of the data (arXiv 1806.09055, algorithm 1).

Shape suffixes: b images, c channels, h height, w width, k classes, s steps.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from darts_service.settings import DartsSettings
from darts_trainer.search.bilevel import BilevelOptimiser
from darts_trainer.search.step_graph import Replayed
from darts_trainer.supernet.collapse import auxiliary_weight
from darts_trainer.supernet.supernet import Supernet, frozen_statistics
from trial_runtime import checkpoints, seeds
from trial_runtime.clock import Clock
from trial_runtime.images import datasets
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.joint_batch import average_statistics, share_of_loss
from trial_runtime.processes import ALONE, Processes
from trial_runtime.progress import bar
from trial_runtime.tally import Tally, evaluate

_BATCHES_VALIDATED_AT_ONCE = 4
"""On a GPU, where a kernel on a small batch costs more to launch than to compute."""

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
    learning_rate: float
    """Of the weights, in the epoch."""
    seconds: float = field(compare=False)
    """For training and validation."""
    images_per_second: float = field(compare=False)
    """That the weights have learnt from, while training."""


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
                batch_size if training else batch_size * num_validated_at_once(device),
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


def num_validated_at_once(device: torch.device) -> int:
    """Return how many batches of a search are one batch of its validation."""
    return _BATCHES_VALIDATED_AT_ONCE if device.type == "cuda" else 1


class Search:
    """A search that measures the supernet after every epoch, and can be left at any step and gone on with.

    Iterating searches on, from where the search stands, and yields each epoch's metrics. Several processes take the
    steps of one alone on the joint batch, but that each normalises by the images of its own share.

    Attributes:
        step: steps of the present epoch that are taken.

    Raises, while it searches:
        TrainingDiverged: a loss is not finite; in every process alike.
        ProcessLost: another process has ended.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: SearchData,
        settings: DartsSettings,
        *,
        order: int,
        alpha_warmup_epochs: int = 0,
        replay: bool = False,
        after_step: Callable[["Search"], None] | None = None,
    ) -> None:
        """Stand before the first epoch.

        Args:
            supernet: on the device of the data, and the same in every process; its alphas are the result.
            data: both halves.
            settings: of the optimisation.
            order: 2 looks one weight step ahead in the architecture step, 1 does not.
            alpha_warmup_epochs: epochs at the start without architecture steps.
            replay: record a step as a CUDA graph and replay it, see `darts_trainer.search.step_graph`; for one process
                alone.
            after_step: called after every step, with this.
        """
        self._supernet = supernet
        self._data = data
        assert not replay or data.processes.size == 1, "the processes wait for each other within a step"
        self._settings = settings
        self._alpha_warmup_epochs = alpha_warmup_epochs
        # By whether the alphas move, which they do not while the weights warm up.
        self._replayed_steps = {moves: Replayed(self._take_step) for moves in (False, True)} if replay else {}
        replayed_forward = Replayed(lambda x_bchw: (supernet(x_bchw),))
        self._forward = (lambda x_bchw: replayed_forward(x_bchw)[0]) if replay else None
        self._after_step = after_step
        self._optimiser = BilevelOptimiser(
            supernet.weights(), supernet.alphas(), settings, order=order, add_up=data.processes.add_up
        )
        self._epoch = 1
        self._tally = self._new_tally("training")
        self._clock = Clock()

    @property
    def step(self) -> int:
        """See the class."""
        return len(self._tally)

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Search on."""
        while self._epoch <= self._settings.num_epochs:
            metrics = self._run_epoch()
            self._optimiser.end_epoch()
            self._epoch += 1
            self._tally = self._new_tally("training")
            self._clock = Clock()
            yield metrics

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to search on to the same result; each process must ask.

        Within an epoch the processes are given the mean of their running statistics, as at its end: the result is the
        same but for rounding.
        """
        if self.step:
            average_statistics(self._supernet, self._data.processes)
        return {
            "epoch": self._epoch,
            "tally": self._tally.state_dict(),
            "seconds": self._clock.seconds,
            "supernet": self._supernet.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "training": self._data.training.state_dict(),
            "architecture": self._data.architecture.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another search, with the same arguments, stood."""
        self._epoch = checkpoints.epoch_of(state, self._settings.num_epochs)
        self._tally = self._new_tally("training")
        self._tally.load_state_dict(state["tally"])
        self._clock = Clock(state["seconds"])
        self._supernet.load_state_dict(state["supernet"])
        self._optimiser.load_state_dict(state["optimiser"])
        for name, batches in (("training", self._data.training), ("architecture", self._data.architecture)):
            batches.load_state_dict(state[name], is_within_pass=self.step > 0)

    @property
    def _moves_alphas(self) -> bool:
        return self._epoch > self._alpha_warmup_epochs

    def _run_epoch(self) -> EpochMetrics:
        self._supernet.auxiliary_weight.fill_(auxiliary_weight(self._epoch, self._settings.num_epochs))
        with self._clock:
            self._train()
            train_loss, train_accuracy = self._tally.means()
            num_images = self.step * self._data.batch_size
            images_per_second = num_images / self._clock.seconds
            average_statistics(self._supernet, self._data.processes)
            validation_loss, validation_accuracy = self._validate()
        return EpochMetrics(
            epoch=self._epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            learning_rate=self._optimiser.learning_rate,
            seconds=self._clock.seconds,
            images_per_second=images_per_second,
        )

    def _train(self) -> None:
        """Take the epoch's steps, or those that are left."""
        self._supernet.train()
        pairs: Iterable[tuple[Batch, Batch]] = zip(self._data.training, _endless(self._data.architecture), strict=False)
        if self._data.processes.is_first:
            pairs = bar(
                pairs, total=len(self._data.training), description=f"epoch {self._epoch}",
                images_per_step=self._data.batch_size, first_step=self.step,
            )  # fmt: skip
        take: Callable[..., tuple[Tensor, ...]] = self._take_step
        if self._replayed_steps:
            take = self._replayed_steps[self._moves_alphas]
        for train_batch, validation_batch in pairs:
            loss, logits_bk = take(*train_batch, *validation_batch)
            self._tally.add(loss, logits_bk, train_batch[1])
            if self.step % self._settings.print_step == 0:
                self._log()
            if self._after_step is not None:
                self._after_step(self)

    def _take_step(
        self, train_x_bchw: Tensor, train_labels_b: Tensor, validation_x_bchw: Tensor, validation_labels_b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Move the alphas, unless the weights are to warm up first, and the weights; return their loss and logits."""
        if self._moves_alphas:
            # Running statistics describe the weights that are kept, and these passes are at others.
            with frozen_statistics(self._supernet):
                self._optimiser.architecture_step(
                    lambda: self._share_of_loss(self._supernet(train_x_bchw), train_labels_b),
                    lambda: self._share_of_loss(self._supernet(validation_x_bchw), validation_labels_b),
                )
        logits_bk = self._supernet(train_x_bchw)
        loss = functional.cross_entropy(logits_bk, train_labels_b)
        self._optimiser.weight_step(share_of_loss(loss, train_labels_b, self._data.batch_size))
        return loss.detach(), logits_bk.detach()

    def _share_of_loss(self, logits_bk: Tensor, labels_b: Tensor) -> Tensor:
        return share_of_loss(functional.cross_entropy(logits_bk, labels_b), labels_b, self._data.batch_size)

    def _validate(self) -> tuple[float, float]:
        return evaluate(self._supernet, self._data.validation, self._new_tally("validation"), forward=self._forward)

    def _log(self) -> None:
        loss, accuracy = self._tally.means()
        if not sys.stderr.isatty():  # a terminal shows a bar
            logger.info(
                "epoch %d, step %d of %d: training loss %.4f, accuracy %.4f",
                self._epoch, self.step, len(self._data.training), loss, accuracy,
            )  # fmt: skip

    def _new_tally(self, part: str) -> Tally:
        settings = self._settings
        remedy = (
            f"smaller values of w_lr ({settings.w_lr:g}), alpha_lr ({settings.alpha_lr:g}) or w_grad_clip "
            f"({settings.w_grad_clip:g}, where 0 switches clipping off) may help"
        )
        return Tally(f"epoch {self._epoch}, {part}", self._data.processes, remedy)


def _endless(batches: Batches) -> Iterator[Batch]:
    """Pass after pass: halves of an odd number of images can differ by a batch."""
    while True:
        yield from batches
