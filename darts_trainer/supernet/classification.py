"""A supernet that learns to classify images, as the problem of a search: see `darts_trainer.search.problem`.

Shape suffixes: b images, c channels, h height, w width.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from darts_trainer.search.problem import Batch, Pass
from darts_trainer.supernet.collapse import auxiliary_weight
from darts_trainer.supernet.data import SearchData
from darts_trainer.supernet.supernet import Supernet, frozen_statistics
from trial_runtime.devices.step_graph import Replayed
from trial_runtime.images.tally import Means, Tally, evaluate
from trial_runtime.processes.joint_batch import average_statistics, share_of_loss


class Classification:
    """The problem; the losses are cross entropies, in nats.

    Args:
        supernet: on the device of the data.
        data: both parts.
        replays: see the problem.
    """

    examples = "images"

    def __init__(self, supernet: Supernet, data: SearchData, *, replays: bool = False) -> None:
        self._supernet = supernet
        self._data = data
        self.training = data.training
        self.architecture = data.architecture
        self.processes = data.processes
        self.examples_per_step = data.batch_size
        self.replays = replays
        replayed = Replayed(lambda x_bchw: (supernet(x_bchw),))
        self._forward = (lambda x_bchw: replayed(x_bchw)[0]) if replays else None

    def weights(self) -> list[nn.Parameter]:
        """See the problem, as for all that follows."""
        return self._supernet.weights()

    def alphas(self) -> list[nn.Parameter]:
        return self._supernet.alphas()

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        self._supernet.auxiliary_weight.fill_(auxiliary_weight(epoch, num_epochs))
        self._supernet.train()

    def step_size(self, batch: Batch) -> float:
        return 1.0

    def training_pass(self, batch: Batch) -> Pass:
        x_bchw, labels_b = batch
        logits_bk = self._supernet(x_bchw)
        loss = functional.cross_entropy(logits_bk, labels_b)
        share = share_of_loss(loss, labels_b, self._data.batch_size)
        return Pass(share, (loss.detach(), logits_bk.detach(), labels_b))

    def validation_loss(self, batch: Batch) -> Tensor:
        return self.training_pass(batch).loss

    def passing(self) -> AbstractContextManager[None]:
        return frozen_statistics(self._supernet)

    def tally(self, name: str, remedy: str) -> Tally:
        return Tally(name, self.processes, remedy)

    def validate(self, name: str, remedy: str) -> Means:
        return evaluate(self._supernet, self._data.validation, self.tally(name, remedy), forward=self._forward)

    def join(self) -> None:
        average_statistics(self._supernet, self.processes)

    def state_dict(self) -> dict[str, Any]:
        return self._supernet.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._supernet.load_state_dict(state)
