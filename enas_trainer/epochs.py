"""What a trial prints and keeps of its epochs, whatever it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from trial_runtime.checkpointing import checkpoints
from trial_runtime.reporting import metric_lines


class Metrics(Protocol):
    """What an epoch came to: a dataclass of numbers."""

    @property
    def epoch(self) -> int:
        """Counted from 1."""


M = TypeVar("M", bound=Metrics)


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch(Generic[M]):
    """What is kept of an epoch."""

    metrics: M
    time: str
    """At its end; RFC 3339, UTC."""

    @classmethod
    def over(cls, metrics: M) -> "Epoch[M]":
        """One that ends now."""
        return cls(metrics=metrics, time=metric_lines.now())

    def named(self, names: Mapping[str, str]) -> dict[str, float | str]:
        """The metrics by the names that manifests ask for; ``names`` has the fields by them."""
        return {name: getattr(self.metrics, field) for name, field in names.items()}

    def record(self, names: Mapping[str, str]) -> dict[str, float | str]:
        """The same with the epoch's number, for ``architecture.json``."""
        return {"epoch": self.metrics.epoch, **self.named(names)}

    def report(self, names: Mapping[str, str]) -> None:
        """Print the line of metrics."""
        metric_lines.report(self.named(names), epoch=self.metrics.epoch, time=self.time)


def restored(kind: type[M], kept: Sequence[Mapping[str, Any]]) -> list[Epoch[M]]:
    """Make epochs anew of what `dataclasses.asdict` made of them.

    Raises:
        KeyError, TypeError, ValueError: they are none.
    """
    return [
        Epoch(metrics=checkpoints.restored(kind, one["metrics"]), time=checkpoints.printable("time", one["time"]))
        for one in kept
    ]
