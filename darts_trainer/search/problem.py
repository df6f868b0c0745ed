"""What a search asks of what it searches: a bilevel problem (arXiv 1806.09055, equations 3 and 4).

Weights learn from one part of some data, alphas from another. Which kind of network that is, what it reads, and what
else than a loss says how good it is, are the problem's own affair.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import Tensor, nn

from trial_runtime.checkpointing.standing import EpochTally
from trial_runtime.processes.processes import Processes

Batch = tuple[Tensor, ...]
"""What a pass reads: inputs, targets, and whatever chance decides, so that all passes of a step see the same."""

Measures = TypeVar("Measures", covariant=True)
"""How good a supernet is on some data; its text is for the log, such as ``loss 1.0000, accuracy 0.5000``."""


class Pass(NamedTuple):
    """What a training pass comes to."""

    loss: Tensor
    """What this process adds to the loss of the step; a number, with its graph."""
    outcome: tuple[Tensor, ...]
    """What `Tally.add` takes, without a graph."""


class Batches(Protocol):
    """A part of the data; each `iter` is one pass over it, or goes on with the one that was loaded."""

    def __len__(self) -> int:
        """Batches of a pass."""

    def __iter__(self) -> Iterator[Batch]:
        """Start a pass."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs; the same in every process."""

    def load_state_dict(self, state: Mapping[str, Any], *, is_within_pass: bool) -> None:
        """Go on where others of the same data stood: within their last pass, or after it."""


class Tally(EpochTally, Protocol[Measures]):
    """What the steps of a pass over the data come to together."""

    def add(self, *outcome: Any, **_: Any) -> None:
        """Add a step of this process: the outcome of its pass, however many tensors that are."""

    def means(self) -> Measures:
        """Return what all steps so far come to, those of all processes; each of them must call this.

        Raises:
            TrainingDiverged: a loss is not finite.
        """


class Problem(Protocol[Measures]):
    """A supernet, and the two parts of the data that it learns from; the same in every process.

    A pass is a function of its batch and of the parameters as they stand. Batches of both parts have as many tensors.
    """

    @property
    def training(self) -> Batches:
        """The part that the weights learn from."""

    @property
    def architecture(self) -> Batches:
        """The part that the alphas learn from."""

    @property
    def processes(self) -> Processes:
        """Those that share every batch."""

    @property
    def examples_per_step(self) -> int:
        """What a step learns the weights from, of all processes together."""

    @property
    def examples(self) -> str:
        """What they are, for messages: such as ``images``."""

    @property
    def replays(self) -> bool:
        """Whether steps are replayed as a CUDA graph, see `trial_runtime.devices.step_graph`: by one process."""

    def weights(self) -> Sequence[nn.Parameter]:
        """All that weight steps move."""

    def alphas(self) -> Sequence[nn.Parameter]:
        """All that architecture steps move."""

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Be ready to train in an epoch, counted from 1."""

    def step_size(self, batch: Batch) -> float:
        """Return what the weights' learning rate is multiplied by in a step on a batch, by its shape alone."""

    def training_pass(self, batch: Batch) -> Pass:
        """Compute the loss that the weights go down; what it leaves behind is for the next step."""

    def validation_loss(self, batch: Batch) -> Tensor:
        """Compute what this process adds to the loss that the alphas go down; once in an architecture step."""

    def passing(self) -> AbstractContextManager[None]:
        """Within, training passes leave nothing behind: they are at weights that nobody keeps."""

    def tally(self, name: str, remedy: str) -> Tally[Measures]:
        """Return an empty one.

        Args:
            name: of a pass over the data, such as ``epoch 1, training``.
            remedy: what may help against a loss that is not finite, as a clause.
        """

    def validate(self, name: str, remedy: str) -> Measures:
        """Return how good the supernet is on the part that its weights do not learn from; arguments as for `tally`."""

    def join(self) -> None:
        """Give every process the mean of what passes have left behind in each; each of them must call this."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs, without the batches'."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another of the same supernet stood."""
