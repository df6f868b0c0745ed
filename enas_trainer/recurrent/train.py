"""Training of a language model: a few epochs that tell good recurrent cells from bad ones.

Shape suffixes: t steps, b batch, h hidden units, l layers.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cell_networks.language_model import LanguageModel, Masks, cross_entropy
from enas_trainer.recurrent.asked import TextSettings
from trial_runtime import seeds
from trial_runtime.checkpointing.standing import Standing
from trial_runtime.gradients import clipped
from trial_runtime.processes.joint_batch import joint_columns
from trial_runtime.processes.processes import ALONE, Processes
from trial_runtime.reporting.progress import bar
from trial_runtime.text.batches import Steady, Text, TextBatches, Window, to_evaluate
from trial_runtime.text.corpora import Corpus
from trial_runtime.text.perplexity import Perplexity, TextTally


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """What an epoch came to; losses are mean cross entropies in nats."""

    epoch: int
    """Counted from 1."""
    training_loss: float
    """Over the epoch's steps, each before it moved the weights."""
    training_perplexity: float
    validation_loss: float
    """After the epoch."""
    validation_perplexity: float
    seconds: float = field(compare=False)
    """For training and validation."""
    tokens_per_second: float = field(compare=False)
    """While training."""


class TextTraining:
    """The training of a language model, which measures it after every epoch, and can be left at any step.

    SGD, clipped, whose learning rate falls to nothing along half a cosine, so that a trial of one epoch ends as settled
    as one of a hundred. Several processes take the steps of one alone on the joint batch.

    Attributes:
        step: steps of the present epoch that are taken.

    Raises, while it trains:
        TrainingDiverged: a loss is not finite; in every process alike.
        ProcessLost: another process has ended.
    """

    def __init__(
        self,
        model: LanguageModel,
        corpus: Corpus,
        settings: TextSettings,
        *,
        device: torch.device,
        seed: int,
        processes: Processes = ALONE,
        after_step: Callable[["TextTraining"], None] | None = None,
    ) -> None:
        """Stand before the first epoch.

        Args:
            model: on the device, and the same in every process.
            corpus: to learn from, and to validate on; its test part is not in it.
            settings: how long and how fast.
            device: where the batches are.
            seed: of the windows' lengths and of dropout.
            processes: those that share the batches.
            after_step: called after every step, with this.

        Raises:
            DatasetError: the text has too few words for a batch.
        """
        self._model = model
        self._settings = settings
        self._processes = processes
        self._after_step = after_step
        text = Text(corpus.train_n, settings.batch_size, name="training", device=device, processes=processes)
        self._num_tokens = text.num_rows * settings.batch_size
        self._batches = TextBatches(text, Steady(bptt=settings.bptt), seeds.generator(seed, "lengths"))
        self._valid = to_evaluate(corpus.valid_n, "validation", bptt=settings.bptt, device=device, processes=processes)
        self._masks = seeds.generator(seed, "masks")
        self._share = processes.share(settings.batch_size)
        self._state_lbh = model.initial_state(self._share.stop - self._share.start)
        self._weights: list[Tensor] = list(model.parameters())
        self._standing = Standing(settings.num_epochs, self._tally)

    @property
    def step(self) -> int:
        """See the class."""
        return self._standing.step

    @property
    def num_steps(self) -> int:
        """Steps of the present epoch."""
        return len(self._batches)

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train on; yield what each epoch came to."""
        return self._standing.epochs(self._run_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to train on to the same result; each process must ask."""
        return {
            **self._standing.state_dict(),
            "weights": [weight.detach() for weight in self._weights],
            "state": joint_columns(
                self._state_lbh, self._model.initial_state(self._settings.batch_size), self._processes
            ),
            "masks": self._masks.get_state(),
            "batches": self._batches.state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another training, with the same arguments, stood."""
        self._standing.load_state_dict(state)
        for weight, value in zip(self._weights, state["weights"], strict=True):
            weight.copy_(value)
        self._state_lbh = state["state"][:, self._share].to(self._state_lbh)
        self._masks.set_state(state["masks"])
        self._batches.load_state_dict(state["batches"], is_within_pass=self.step > 0)

    def _run_epoch(self) -> EpochMetrics:
        standing = self._standing
        with standing.clock:
            self._train()
            training = standing.tally.means()
            tokens_per_second = self._num_tokens / standing.clock.seconds
            validation = self._evaluate(f"epoch {standing.epoch}, validation")
        return EpochMetrics(
            epoch=standing.epoch,
            training_loss=training.loss,
            training_perplexity=training.perplexity,
            validation_loss=validation.loss,
            validation_perplexity=validation.perplexity,
            seconds=standing.clock.seconds,
            tokens_per_second=tokens_per_second,
        )

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
            self._step(window)
            if self._after_step is not None:
                self._after_step(self)

    def _step(self, window: Window) -> None:
        """Move the weights down the loss of a window."""
        settings = self._settings
        masks = Masks.draw(settings.rates, self._model, settings.batch_size, self._masks, self._share)
        read = self._model(window.words_tb, self._state_lbh * window.carries, masks)
        loss = cross_entropy(read, window.next_tb)
        share = (self._share.stop - self._share.start) / settings.batch_size
        gradients = self._processes.add_up(torch.autograd.grad(loss * share, self._weights))
        self._descend(clipped(gradients, settings.grad_clip), self._rate() * len(window.words_tb) / settings.bptt)
        self._state_lbh = read.state_lbh.detach()
        self._standing.tally.add(loss, window.next_tb)

    def _rate(self) -> float:
        """The learning rate of the step that is next."""
        epochs = self._standing.epoch - 1 + self.step / len(self._batches)
        return self._settings.learning_rate * (1 + math.cos(math.pi * epochs / self._settings.num_epochs)) / 2

    @torch.no_grad()
    def _descend(self, gradients: Sequence[Tensor], rate: float) -> None:
        torch._foreach_add_(self._weights, list(gradients), alpha=-rate)

    def _evaluate(self, name: str) -> Perplexity:
        tally = self._tally(name)
        for window, loss in self._model.losses(self._valid):
            tally.add(loss, window.next_tb)
        return tally.means()

    def _tally(self, name: str) -> TextTally:
        settings = self._settings
        remedy = (
            f"smaller values of --learning-rate ({settings.learning_rate:g}) or --grad-clip "
            f"({settings.grad_clip:g}, where 0 switches clipping off) may help"
        )
        return TextTally(name, self._processes, remedy)
