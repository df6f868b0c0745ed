"""The training of a language model (arXiv 1806.09055, section A.2.2, after AWD-LSTM, arXiv 1708.02182).

SGD, and from when validation no longer gets better what is evaluated is the mean of all weights since. A step whose
gradient is no number is not taken: the training goes back to the best weights so far.

Shape suffixes: t steps, b batch, h hidden units, l layers.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cell_networks.language_model import LanguageModel, Masks, cross_entropy, slowness
from darts_trainer.retraining.averaging import WeightAverage, put
from darts_trainer.retraining.text_config import TextTrainingSettings
from trial_runtime import seeds
from trial_runtime.checkpointing.standing import Standing
from trial_runtime.errors import TrainingDiverged
from trial_runtime.gradients import shortening
from trial_runtime.processes.joint_batch import joint_columns
from trial_runtime.processes.processes import ALONE, Processes
from trial_runtime.reporting.progress import bar
from trial_runtime.text import batches
from trial_runtime.text.batches import Text, TextBatches, Varied, Window
from trial_runtime.text.corpora import Corpus
from trial_runtime.text.perplexity import Perplexity, TextTally

MAX_RETURNS = 5
"""How often in an epoch a training goes back to its best weights before it is given up."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to."""

    epoch: int
    """Counted from 1."""
    training: Perplexity
    """Over the epoch's steps, each before it moved the weights."""
    validation: Perplexity
    """After the epoch, of the weights or, once they are averaged, of their mean."""
    is_averaged: bool
    """Whether they are."""
    seconds: float = field(compare=False)
    """For training and validation."""
    words_per_second: float = field(compare=False)
    """While training."""


class TextTraining:
    """The training of a language model, which can be left at any step and gone on with.

    Iterating trains on, from where the training stands, and yields each epoch's metrics. Several processes take the
    steps of one alone on the joint batch.

    Attributes:
        step: steps of the present epoch that are taken.

    Raises, while it trains:
        TrainingDiverged: it came back to its best weights too often; in every process alike.
        ProcessLost: another process has ended.
    """

    def __init__(
        self,
        model: LanguageModel,
        corpus: Corpus,
        settings: TextTrainingSettings,
        *,
        device: torch.device,
        seed: int,
        processes: Processes = ALONE,
        after_step: Callable[["TextTraining"], None] | None = None,
    ) -> None:
        """Stand before the first epoch.

        Args:
            model: on the device, and the same in every process.
            corpus: to learn from.
            settings: of the optimisation.
            device: where the batches are.
            seed: of the windows' lengths and of dropout.
            processes: those that share the batches.
            after_step: called after every step, with this.

        Raises:
            DatasetError: the text has too few words for a batch.
        """
        self._model = model
        self._settings = settings
        self._device = device
        self._processes = processes
        self._after_step = after_step
        text = Text(corpus.train_n, settings.batch_size, name="training", device=device, processes=processes)
        self._num_rows = text.num_rows
        self._batches = TextBatches(text, Varied(bptt=settings.bptt), seeds.generator(seed, "lengths"))
        self._masks = seeds.generator(seed, "masks")
        self._valid = self.to_evaluate(corpus.valid_n, "validation")
        self._share = processes.share(settings.batch_size)
        self._state_lbh = model.initial_state(self._share.stop - self._share.start)
        self._weights: list[Tensor] = list(model.parameters())
        self._average = WeightAverage(self._weights)
        self._best = [weight.detach().clone() for weight in self._weights]
        self._losses: list[float] = []
        self._num_returns = 0
        self._standing = Standing(settings.num_epochs, self._tally)

    @property
    def step(self) -> int:
        """See the class."""
        return self._standing.step

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train on."""
        return self._standing.epochs(self._run_epoch)

    def to_evaluate(self, text_n: Tensor, name: str) -> TextBatches:
        """Return windows of a text that nothing is learnt from.

        Raises:
            DatasetError: there are fewer than two words for each process.
        """
        return batches.to_evaluate(
            text_n, name, bptt=self._settings.bptt, device=self._device, processes=self._processes
        )

    def evaluate(self, windows: TextBatches, name: str) -> Perplexity:
        """Return how well the model does, with the weights as they stand.

        Raises:
            TrainingDiverged: a loss is not finite.
        """
        tally = self._tally(name)
        for window, loss in self._model.losses(windows):
            tally.add(loss, window.next_tb)
        return tally.means()

    def take_best(self) -> None:
        """Give the model the weights that validated best; for the end of a training."""
        put(self._weights, self._best)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to train on to the same result; each process must ask."""
        return {
            **self._standing.state_dict(),
            "weights": [weight.detach() for weight in self._weights],
            "best": self._best,
            **self._average.state_dict(),
            "losses": list(self._losses),
            "num_returns": self._num_returns,
            "state": joint_columns(
                self._state_lbh, self._model.initial_state(self._settings.batch_size), self._processes
            ),
            "masks": self._masks.get_state(),
            "batches": self._batches.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another training, with the same arguments, stood."""
        self._standing.load_state_dict(state)
        put(self._weights, state["weights"])
        put(self._best, state["best"])
        self._average.load_state_dict(state)
        self._losses = [float(loss) for loss in state["losses"]]
        self._num_returns = int(state["num_returns"])
        self._state_lbh = state["state"][:, self._share].to(self._device)
        self._masks.set_state(state["masks"])
        self._batches.load_state_dict(state["batches"], is_within_pass=self.step + self._num_returns > 0)

    def _run_epoch(self) -> EpochMetrics:
        standing = self._standing
        with standing.clock:
            self._train()
            training = standing.tally.means()
            words_per_second = self._num_rows * self._settings.batch_size / standing.clock.seconds
            with self._average.held():
                validation = self.evaluate(self._valid, f"epoch {standing.epoch}, validation")
                if not self._losses or validation.loss < min(self._losses):
                    put(self._best, self._weights)
        is_averaged = self._average.is_begun
        self._begin_averaging(validation.loss)
        self._losses.append(validation.loss)
        self._num_returns = 0
        return EpochMetrics(
            epoch=standing.epoch,
            training=training,
            validation=validation,
            is_averaged=is_averaged,
            seconds=standing.clock.seconds,
            words_per_second=words_per_second,
        )

    def _begin_averaging(self, loss: float) -> None:
        """Begin where an epoch's loss is above the best of those before it, without the last few (ASGD's trigger)."""
        earlier = self._losses[: -self._settings.patience]
        if not self._average.is_begun and earlier and loss > min(earlier):
            logger.info("from here on the mean of the weights is evaluated")
            self._average.begin()

    def _train(self) -> None:
        """Take the epoch's steps, or those that are left."""
        steps = bar(
            self._batches,
            total=len(self._batches),
            description=f"epoch {self._standing.epoch}",
            per_step=self._settings.batch_size * self._settings.bptt,
            unit="words",
            first_step=self.step,
            is_watched=self._processes.is_first,
        )
        for window in steps:
            self._take_step(window)
            if self.step % self._settings.print_step == 0:
                self._log()
            if self._after_step is not None:
                self._after_step(self)

    def _take_step(self, window: Window) -> None:
        """Move the weights down the loss of a window."""
        settings = self._settings
        masks = Masks.draw(settings.rates, self._model, settings.batch_size, self._masks, self._share)
        read = self._model(window.words_tb, self._state_lbh * window.carries, masks)
        loss = cross_entropy(read, window.next_tb)
        total = loss + settings.slowness * slowness(read) if settings.slowness else loss
        share = (self._share.stop - self._share.start) / settings.batch_size
        gradients = self._processes.add_up(torch.autograd.grad(total * share, self._weights))
        # The joint gradient: whatever is no number in one process is none in any.
        if not nn.utils.get_total_norm(gradients).isfinite():
            self._return_to_best()
            return
        self._descend(gradients, settings.learning_rate * len(window.words_tb) / settings.bptt)
        self._state_lbh = read.state_lbh.detach()
        self._standing.tally.add(loss, window.next_tb)

    @torch.no_grad()
    def _descend(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        if self._settings.grad_clip:
            gradients = torch._foreach_mul(tuple(gradients), shortening(gradients, self._settings.grad_clip))
        directions = torch._foreach_add(tuple(gradients), self._weights, alpha=self._settings.weight_decay)
        torch._foreach_add_(self._weights, directions, alpha=-learning_rate)
        self._average.add()

    def _return_to_best(self) -> None:
        self._num_returns += 1
        name = f"epoch {self._standing.epoch}, training step {self.step + 1}"
        if self._num_returns > MAX_RETURNS:
            raise TrainingDiverged(
                f"{name}: the gradient is no number for the {self._num_returns}th time; {self._remedy}"
            )
        logger.warning("%s: the gradient is no number; back to the best weights so far", name)
        put(self._weights, self._best)
        self._state_lbh = torch.zeros_like(self._state_lbh)
        if self._average.is_begun:
            self._average.begin()

    def _log(self) -> None:
        means = self._standing.tally.means()
        if not sys.stderr.isatty():  # a terminal shows a bar
            logger.info(
                "epoch %d, step %d of %d: training %s", self._standing.epoch, self.step, len(self._batches), means
            )

    def _tally(self, name: str) -> TextTally:
        return TextTally(name, self._processes, self._remedy)

    @property
    def _remedy(self) -> str:
        return (
            f"smaller values of --learning-rate ({self._settings.learning_rate:g}) or --grad-clip "
            f"({self._settings.grad_clip:g}, where 0 switches clipping off) may help"
        )
