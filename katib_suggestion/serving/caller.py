"""Who waits for the reply of a call, and how long still.

Katib waits 60 s, and then calls again with the same request. What is computed for a caller that has gone is computed
for nobody, and holds up the next one: so a call asks before it waits for others, and while it does.
"""

import math
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypeVar

_POLL_S = 0.05
_TO_SAY_SO_S = 0.25
"""Left to a call that gives up waiting, so that its caller hears of it."""

T = TypeVar("T")


class Unavailable(Exception):
    """The call cannot be answered now; the same call may be later."""


class Call(Protocol):
    """As much of a gRPC context as is asked here: whoever waits need not know gRPC."""

    def is_active(self) -> bool:
        """Whether the caller still waits."""

    def time_remaining(self) -> float | None:
        """Seconds that it will; None for ever."""


class Lock(Protocol):
    """As of `threading`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait for it; tell whether it is had."""

    def release(self) -> None:
        """Let it go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who waits for a reply."""

    is_there: Callable[[], bool] = lambda: True
    """Whether it still waits."""
    remaining_s: Callable[[], float] = lambda: math.inf
    """How long it will."""

    @classmethod
    def of(cls, context: Call) -> "Caller":
        """The caller of a gRPC call."""

        def remaining_s() -> float:
            left = context.time_remaining()
            return math.inf if left is None else left

        return cls(is_there=context.is_active, remaining_s=remaining_s)

    def check(self, needed_s: float = 0.0) -> None:
        """Ask whether it is worth while to go on.

        Args:
            needed_s: how long it will take.

        Raises:
            Unavailable: the caller has gone, or will have by then.
        """
        left_s = self.remaining_s()
        if left_s <= 0 or not self.is_there():
            raise Unavailable("the caller has gone")
        if left_s < needed_s:
            raise Unavailable(f"this takes longer than the {left_s:.1f} s that are left of the call; call again")

    @contextmanager
    def holding(self, lock: Lock) -> Iterator[None]:
        """Hold a lock within, which is waited for as long as the caller waits.

        Raises:
            Unavailable: the caller has gone, or soon will have.
        """
        self.check()
        while not lock.acquire(timeout=_POLL_S):
            self.check(_TO_SAY_SO_S)
        try:
            self.check()
            yield
        finally:
            lock.release()

    def result(self, future: "futures.Future[T]", needed_s: float = 0.0) -> T:
        """Return the result of a future, which is waited for as long as the caller waits.

        Args:
            future: what is being computed; it goes on whatever becomes of the caller.
            needed_s: how long it will take from there to the reply.

        Raises:
            Unavailable: the caller has gone, or will have before the reply.
        """
        while not futures.wait([future], _POLL_S).done:
            self.check(_TO_SAY_SO_S + needed_s)
        return future.result()


PATIENT = Caller()
"""Waits for ever."""

_current: ContextVar[Caller] = ContextVar("caller", default=PATIENT)


def current() -> Caller:
    """The caller of the gRPC call that this thread answers; outside of any, one that waits for ever."""
    return _current.get()


@contextmanager
def answering(caller: Caller) -> Iterator[None]:
    """Within, it is the current one of this thread."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
