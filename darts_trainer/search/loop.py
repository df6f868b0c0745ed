"""The search: alphas and weights move in turn, each on its own part of the data (arXiv 1806.09055, algorithm 1).

What is searched, and what it learns from, is a `darts_trainer.search.problem.Problem`.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import Tensor

from darts_service.settings import SearchSettings
from darts_trainer.search.bilevel import ALPHA_BETAS, BilevelOptimiser
from darts_trainer.search.problem import Batch, Batches, Problem, Tally
from trial_runtime.checkpointing.standing import Standing
from trial_runtime.devices.step_graph import Replayed
from trial_runtime.reporting.progress import bar

Measures = TypeVar("Measures")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics(Generic[Measures]):
    """What an epoch came to."""

    epoch: int
    """Counted from 1."""
    training: Measures
    """Over the epoch's weight steps, each before it moved the weights."""
    validation: Measures
    """After the epoch, on the part that the weights do not learn from."""
    learning_rate: float
    """Of the weights, in the epoch."""
    seconds: float = field(compare=False)
    """For training and validation."""
    examples_per_second: float = field(compare=False)
    """That the weights have learnt from, while training."""


class Search(Generic[Measures]):
    """A search that measures the supernet after every epoch, and can be left at any step and gone on with.

    Iterating searches on, from where the search stands, and yields each epoch's metrics. Several processes take the
    steps of one alone on the joint batch, but that each normalises by the examples of its own share.

    Attributes:
        step: steps of the present epoch that are taken.

    Raises, while it searches:
        TrainingDiverged: a loss is not finite; in every process alike.
        ProcessLost: another process has ended.
    """

    def __init__(
        self,
        problem: Problem[Measures],
        settings: SearchSettings,
        *,
        order: int,
        alpha_warmup_epochs: int = 0,
        alpha_betas: tuple[float, float] = ALPHA_BETAS,
        clips_ahead: bool = False,
        after_step: Callable[["Search[Measures]"], None] | None = None,
    ) -> None:
        """Stand before the first epoch.

        Args:
            problem: its alphas are the result.
            settings: of the optimisation.
            order: 2 looks one weight step ahead in the architecture step, 1 does not.
            alpha_warmup_epochs: epochs at the start without architecture steps.
            alpha_betas: see `BilevelOptimiser`.
            clips_ahead: see there.
            after_step: called after every step, with this.
        """
        self._problem = problem
        assert not problem.replays or problem.processes.size == 1, "the processes wait for each other within a step"
        self._settings = settings
        self._alpha_warmup_epochs = alpha_warmup_epochs
        # By whether the alphas move, which they do not while the weights warm up.
        self._replayed_steps = {moves: Replayed(self._take_step) for moves in (False, True)} if problem.replays else {}
        self._after_step = after_step
        self._optimiser = BilevelOptimiser(
            problem.weights(),
            problem.alphas(),
            settings,
            order=order,
            alpha_betas=alpha_betas,
            clips_ahead=clips_ahead,
            add_up=problem.processes.add_up,
        )
        self._standing: Standing[Tally[Measures]] = Standing(
            settings.num_epochs, lambda name: problem.tally(name, self._remedy)
        )

    @property
    def step(self) -> int:
        """See the class."""
        return self._standing.step

    def __iter__(self) -> Iterator[EpochMetrics[Measures]]:
        """Search on."""
        return self._standing.epochs(self._run_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to search on to the same result; each process must ask.

        Within an epoch the processes are given the mean of what passes have left behind, as at its end: the result is
        the same but for rounding.
        """
        if self.step:
            self._problem.join()
        return {
            **self._standing.state_dict(),
            "supernet": self._problem.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "training": self._problem.training.state_dict(),
            "architecture": self._problem.architecture.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another search, with the same arguments, stood."""
        self._standing.load_state_dict(state)
        self._problem.load_state_dict(state["supernet"])
        self._optimiser.load_state_dict(state["optimiser"])
        training, architecture = self._problem.training, self._problem.architecture
        training.load_state_dict(state["training"], is_within_pass=self.step > 0)
        # After the last step of an epoch nothing more is asked of its pass, and the next epoch starts another.
        architecture.load_state_dict(state["architecture"], is_within_pass=0 < self.step < len(training))

    @property
    def _moves_alphas(self) -> bool:
        return self._standing.epoch > self._alpha_warmup_epochs

    @property
    def _remedy(self) -> str:
        settings = self._settings
        return (
            f"smaller values of w_lr ({settings.w_lr:g}), alpha_lr ({settings.alpha_lr:g}) or w_grad_clip "
            f"({settings.w_grad_clip:g}, where 0 switches clipping off) may help"
        )

    def _run_epoch(self) -> EpochMetrics[Measures]:
        standing, problem = self._standing, self._problem
        problem.begin_epoch(standing.epoch, self._settings.num_epochs)
        with standing.clock:
            self._train()
            training = standing.tally.means()
            examples_per_second = self.step * problem.examples_per_step / standing.clock.seconds
            problem.join()
            validation = problem.validate(f"epoch {standing.epoch}, validation", self._remedy)
        metrics = EpochMetrics(
            epoch=standing.epoch,
            training=training,
            validation=validation,
            learning_rate=self._optimiser.learning_rate,
            seconds=standing.clock.seconds,
            examples_per_second=examples_per_second,
        )
        self._optimiser.end_epoch()
        return metrics

    def _train(self) -> None:
        """Take the epoch's steps, or those that are left."""
        problem = self._problem
        pairs = bar(
            zip(problem.training, _endless(problem.architecture), strict=False),
            total=len(problem.training),
            description=f"epoch {self._standing.epoch}",
            per_step=problem.examples_per_step,
            unit=problem.examples,
            first_step=self.step,
            is_watched=problem.processes.is_first,
        )
        take: Callable[..., tuple[Tensor, ...]] = self._take_step
        if self._replayed_steps:
            take = self._replayed_steps[self._moves_alphas]
        for train_batch, validation_batch in pairs:
            self._standing.tally.add(*take(*train_batch, *validation_batch))
            if self.step % self._settings.print_step == 0:
                self._log()
            if self._after_step is not None:
                self._after_step(self)

    def _take_step(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """Move the alphas, unless the weights are to warm up first, and the weights; return what that pass came to.

        Args:
            batches: the tensors of a training batch, then as many of a validation batch: flat, as they are recorded.
        """
        train_batch, validation_batch = batches[: len(batches) // 2], batches[len(batches) // 2 :]
        size = self._problem.step_size(train_batch)
        if self._moves_alphas:
            with self._problem.passing():
                self._optimiser.architecture_step(
                    lambda: self._problem.training_pass(train_batch).loss,
                    lambda: self._problem.validation_loss(validation_batch),
                    size=size,
                )
        loss, outcome = self._problem.training_pass(train_batch)
        self._optimiser.weight_step(loss, size=size)
        return outcome

    def _log(self) -> None:
        means = self._standing.tally.means()
        if not sys.stderr.isatty():  # a terminal shows a bar
            num_steps = len(self._problem.training)
            logger.info("epoch %d, step %d of %d: training %s", self._standing.epoch, self.step, num_steps, means)


def _endless(batches: Batches) -> Iterator[Batch]:
    """Pass after pass: parts of the data can differ by a batch."""
    while True:
        yield from batches
