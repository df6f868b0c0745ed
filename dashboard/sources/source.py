"""Where experiments are read from, and what is wrong where they cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dashboard.sources.summary import Summary
from katib_local.report.model import Report


class NotThereError(LookupError):
    """There is no such experiment, trial or log."""


class UnreadableError(RuntimeError):
    """It is there, and cannot be read: a broken database, a cluster that does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """The end of what a trial printed."""

    title: str
    """Whose it is: a file, or a container of a pod."""
    text: str
    is_cut: bool
    """Whether there is more before it."""


class Source(Protocol):
    """Experiments in places: the namespaces of a cluster, or the one folder of runs on this machine.

    An experiment's key is what addresses name it by. Methods block, and are called from several threads.

    Each raises `NotThereError` and `UnreadableError`.
    """

    def summaries(self, place: str) -> Sequence[Summary]:
        """List the experiments of a place, the newest first."""
        ...

    def report(self, place: str, key: str) -> Report:
        """Read an experiment with all its trials."""
        ...

    def trial(self, place: str, key: str, name: str) -> Report:
        """Read one trial, as a report that has no other."""
        ...

    def logs(self, place: str, key: str, name: str) -> Sequence[Log]:
        """Read the end of what a trial printed."""
        ...

    def version(self, place: str, key: str | None) -> str:
        """Return a text that changes when an experiment does, or for None any of a place; it is cheap to ask for."""
        ...
