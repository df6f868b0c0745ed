"""Bodies of requests, taken in by turns: how many calls there are says little of the memory that they take.

gRPC tells nobody how large a body is before it is there, and takes in as many as are asked for: 40 of 20 MiB are twice
the memory of a pod. So few are received at a time, the newest first, whose caller has the most time left. A body that
is slow to come loses its turn, but may go on coming beside the others; of many such the oldest is given up.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from katib_suggestion.caller import Caller, Unavailable

_AT_ONCE = 2
"""Bodies that are received at a time."""
_TURN_S = 0.5
"""How long one has its turn to itself."""
_MAX_SLOW = 16
"""Bodies that may go on coming after that."""
_WAIT_S = 10.0
"""For a turn."""
_MAX_HELD = 24 * 2**20
"""Bytes of the requests that are at work, unless one alone is larger."""


@dataclass(eq=False, slots=True)
class _Turn:
    give_up: Callable[[], object]
    until_s: float = 0.0
    """On the monotonic clock."""
    is_over: bool = False
    """Whether it waits for nothing."""


class Intake:
    """Where the bodies of a server's calls come in."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Turn] = []
        self._receiving: list[_Turn] = []
        self._slow: deque[_Turn] = deque()
        self._held = 0

    @contextmanager
    def turn(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Receive and decode within.

        Raises:
            Unavailable: too many bodies come at once, or the caller has gone.
        """
        turn = _Turn(context.cancel)
        with self._changed:
            self._waiting.append(turn)
            try:
                self._wait(turn, Caller.of(context))
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
            turn.until_s = time.monotonic() + _TURN_S
            self._receiving.append(turn)
        try:
            yield
        finally:
            with self._changed:
                for turns in (self._receiving, self._slow):
                    if turn in turns:
                        turns.remove(turn)
                self._changed.notify_all()

    def make_room(self) -> bool:
        """Turn away who waits for a turn longest; tell whether anybody does."""
        with self._changed:
            oldest = next((turn for turn in self._waiting if not turn.is_over), None)
            if oldest is not None:
                oldest.is_over = True
                self._changed.notify_all()
            return oldest is not None

    @contextmanager
    def holding(self, num_bytes: int) -> Iterator[None]:
        """Answer a request of so many bytes within.

        Raises:
            Unavailable: together with others it is too large.
        """
        with self._changed:
            if self._held and self._held + num_bytes > _MAX_HELD:
                raise Unavailable("other large requests are at work; call again")
            self._held += num_bytes
        try:
            yield
        finally:
            with self._changed:
                self._held -= num_bytes

    def _wait(self, turn: _Turn, caller: Caller) -> None:
        give_up_s = time.monotonic() + _WAIT_S
        while True:
            now_s = time.monotonic()
            for slow in [one for one in self._receiving if one.until_s <= now_s]:
                self._receiving.remove(slow)
                self._slow.append(slow)
            while len(self._slow) > _MAX_SLOW:
                self._slow.popleft().give_up()
            if turn.is_over or now_s >= give_up_s:
                raise Unavailable("too many requests come at once; call again")
            caller.check()
            if len(self._receiving) < _AT_ONCE and self._waiting[-1] is turn:
                return
            self._changed.wait(min([give_up_s, *(one.until_s for one in self._receiving)]) - now_s)
