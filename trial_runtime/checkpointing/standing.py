"""Where a training stands, epoch by epoch: it can be left at any step, and another one gone on with from there."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from trial_runtime.checkpointing.clock import Clock


class EpochTally(Protocol):
    """What the steps of an epoch have come to so far."""

    def __len__(self) -> int:
        """Steps so far."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs; each process must ask."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Count on from there."""


AnyTally = TypeVar("AnyTally", bound=EpochTally)
Metrics = TypeVar("Metrics")


class Standing(Generic[AnyTally]):
    """The present epoch of a training.

    Args:
        num_epochs: that the training has.
        new_tally: makes an empty one of a name, such as ``epoch 1, training``.

    Attributes:
        epoch: counted from 1; the one after the last where the training is over.
        tally: of its training.
        clock: of its training and validation.
    """

    def __init__(self, num_epochs: int, new_tally: Callable[[str], AnyTally]) -> None:
        self._num_epochs = num_epochs
        self._new_tally = new_tally
        self._begin(1, 0.0)

    @property
    def step(self) -> int:
        """Steps of the epoch that are taken."""
        return len(self.tally)

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left."""
        return self.epoch > self._num_epochs

    def epochs(self, run: Callable[[], Metrics]) -> Iterator[Metrics]:
        """Yield what each epoch came to that is left.

        Args:
            run: runs the present one to its end.
        """
        while not self.is_over:
            metrics = run()
            self.end_epoch()
            yield metrics

    def end_epoch(self) -> None:
        """Begin the next one."""
        self._begin(self.epoch + 1, 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs; each process must ask."""
        return {"epoch": self.epoch, "tally": self.tally.state_dict(), "seconds": self.clock.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where another training of so many epochs stood.

        Raises:
            ValueError: it stood nowhere in them.
        """
        epoch = state["epoch"]
        if type(epoch) is not int or not 1 <= epoch <= self._num_epochs + 1:
            raise ValueError(f"epoch {epoch!r} of {self._num_epochs}")
        self._begin(epoch, state["seconds"])
        self.tally.load_state_dict(state["tally"])

    def _begin(self, epoch: int, seconds: float) -> None:
        self.epoch = epoch
        self.tally = self._new_tally(f"epoch {epoch}, training")
        self.clock = Clock(seconds)
