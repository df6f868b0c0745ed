"""A supernet that learns to tell the next word, as the problem of a search: see `darts_trainer.search.problem`.

Shape suffixes: t steps, b batch, h hidden units, l layers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cell_networks.language_model import Masks, cross_entropy, slowness
from darts_trainer.recurrent.data import MASKS, SearchText
from darts_trainer.recurrent.supernet import RecurrentSupernet
from darts_trainer.search.problem import Batch, Pass
from trial_runtime.processes.joint_batch import joint_columns
from trial_runtime.text.batches import Window
from trial_runtime.text.perplexity import Perplexity, TextTally


class Reading:
    """The problem; losses are cross entropies, in nats, and a weight times how fast outputs change from word to word.

    The weights' text and the alphas' each leave a state of their own, from which their next window goes on: training's
    comes from the weight step, the alphas' from the pass one step ahead.

    Args:
        supernet: on the device of the data.
        data: both parts.
        slowness_weight: of the second term.
        replays: see the problem.
    """

    examples = "words"

    def __init__(
        self, supernet: RecurrentSupernet, data: SearchText, *, slowness_weight: float, replays: bool = False
    ) -> None:
        self._supernet = supernet
        self._data = data
        self._slowness_weight = slowness_weight
        self.training = data.training
        self.architecture = data.architecture
        self.processes = data.processes
        self.examples_per_step = data.batch_size * data.bptt
        self.replays = replays
        share = data.processes.share(data.batch_size)
        self._share = (share.stop - share.start) / data.batch_size
        # Changed in place: a step can be recorded as a graph.
        self._training_state_lbh = supernet.model.initial_state(share.stop - share.start)
        self._architecture_state_lbh = torch.zeros_like(self._training_state_lbh)
        self._is_passing = False
        self._has_mask = data.rates.drops()

    def weights(self) -> list[nn.Parameter]:
        """See the problem, as for all that follows."""
        return self._supernet.weights()

    def alphas(self) -> list[nn.Parameter]:
        return self._supernet.alphas()

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        self._supernet.train()

    def step_size(self, batch: Batch) -> float:
        return len(batch[0]) / self._data.bptt

    def training_pass(self, batch: Batch) -> Pass:
        loss, total, after_lbh = self._read(batch, self._training_state_lbh)
        if not self._is_passing:
            self._training_state_lbh.copy_(after_lbh)
        return Pass(total * self._share, (loss.detach(), batch[1]))

    def validation_loss(self, batch: Batch) -> Tensor:
        loss, _, after_lbh = self._read(batch, self._architecture_state_lbh)
        self._architecture_state_lbh.copy_(after_lbh)
        share: Tensor = loss * self._share
        return share

    @contextmanager
    def passing(self) -> Iterator[None]:
        self._is_passing = True
        try:
            yield
        finally:
            self._is_passing = False

    def tally(self, name: str, remedy: str) -> TextTally:
        return TextTally(name, self.processes, remedy)

    @torch.no_grad()
    def validate(self, name: str, remedy: str) -> Perplexity:
        tally = self.tally(name, remedy)
        state_lbh = torch.zeros_like(self._training_state_lbh)
        for window in self._data.validation:
            read = self._supernet(window.words_tb, state_lbh)
            tally.add(cross_entropy(read, window.next_tb), window.next_tb)
            state_lbh = read.state_lbh
        return tally.means()

    def join(self) -> None:
        """Nothing is left behind that processes would share: each has the states of its own columns."""

    def state_dict(self) -> dict[str, Any]:
        return {
            "supernet": self._supernet.state_dict(),
            "training_state": self._of_all(self._training_state_lbh),
            "architecture_state": self._of_all(self._architecture_state_lbh),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._supernet.load_state_dict(state["supernet"])
        share = self.processes.share(self._data.batch_size)
        self._training_state_lbh.copy_(state["training_state"][:, share])
        self._architecture_state_lbh.copy_(state["architecture_state"][:, share])

    def _read(self, batch: Batch, state_lbh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the cross entropy, what is to be minimised, and the state that is left, detached."""
        window, drawn = Window(*batch[:MASKS]), iter(batch[MASKS:])
        masks = Masks(*(next(drawn) if there else None for there in self._has_mask))
        read = self._supernet(window.words_tb, state_lbh * window.carries, masks)
        loss = cross_entropy(read, window.next_tb)
        total = loss + self._slowness_weight * slowness(read) if self._slowness_weight else loss
        return loss, total, read.state_lbh.detach()

    def _of_all(self, state_lbh: Tensor) -> Tensor:
        return joint_columns(state_lbh, self._supernet.model.initial_state(self._data.batch_size), self.processes)
