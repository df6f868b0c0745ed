"""SIGTERM: how a cluster asks a process to end before it kills it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(Exception):
    """A trial has ended because SIGTERM asked it to, and can be gone on with."""


class Termination:
    """Whether the process was asked to end."""

    is_asked_for = False


@contextmanager
def watched() -> Iterator[Termination]:
    """Within, SIGTERM does not end the process but is noted, for the program to come to a good end of its own."""
    termination = Termination()

    def note(_signal: int, _frame: FrameType | None) -> None:
        termination.is_asked_for = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield termination
    finally:
        signal.signal(signal.SIGTERM, before)
