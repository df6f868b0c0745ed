"""Bodies of requests, taken in by turns: how many calls there are says little of the memory that they take.

gRPC tells nobody how large a body is before it is there, and takes in as many as are asked for: 40 of 20 MiB are twice
the memory of a pod. So one is received at a time. A body that is slow to come loses its turn, but may go on coming
beside the others; of many such the oldest is given up. Where some have waited long the newest goes first: its caller
has the most time left. A connection that has fewer bodies coming goes before one that has more, and is the last to be
turned away: whoever has many holds up itself.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from katib_suggestion.serving.caller import Caller, Unavailable

MakeRoom = Callable[[str], bool]
"""Turns a call away for a reason; tells whether there is one to be turned away."""

_AT_ONCE = 1
"""Bodies that are received at a time."""
_TURN_S = 1.0
"""How long one has its turn to itself."""
_MAX_SLOW = 16
"""Bodies that may go on coming after that."""
_WAIT_S = 20.0
"""For a turn."""
_LONG_S = 2 * _TURN_S
"""Who waits so long has many before it."""
_MAX_HELD = 24 * 2**20
"""Bytes of the requests that are at work, unless one alone is larger."""


@dataclass(eq=False, slots=True)
class _Turn:
    connection: str
    give_up: Callable[[], object]
    since_s: float = field(default_factory=time.monotonic)
    """It waits, on the monotonic clock."""
    until_s: float = 0.0
    """It has its turn to itself."""
    refusal: str = ""
    """Why it is turned away; empty if it is not."""


class Intake:
    """Where the bodies of a server's calls come in."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Turn] = []
        self._receiving: list[_Turn] = []
        self._slow: list[_Turn] = []
        self._held = 0

    @contextmanager
    def turn(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Receive and decode within.

        Raises:
            Unavailable: too many bodies come at once, or the caller has gone.
        """
        turn = _Turn(context.peer(), context.cancel)
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

    def make_room(self, refusal: str) -> bool:
        """Turn away who waits longest of the connection with the most that wait, and say why; tell whether any does."""
        with self._changed:
            waiting = [turn for turn in self._waiting if not turn.refusal]
            if waiting:
                waiting[first_of_most([turn.connection for turn in waiting])].refusal = refusal
                self._changed.notify_all()
            return bool(waiting)

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
        give_up_s = turn.since_s + _WAIT_S
        while True:
            now_s = time.monotonic()
            for slow in [one for one in self._receiving if one.until_s <= now_s]:
                self._receiving.remove(slow)
                self._slow.append(slow)
            while len(self._slow) > _MAX_SLOW:
                self._slow.pop(first_of_most([one.connection for one in self._slow])).give_up()
            if turn.refusal or now_s >= give_up_s:
                raise Unavailable(turn.refusal or "too many requests come at once; call again")
            caller.check()
            if len(self._receiving) < _AT_ONCE and turn is self._next(now_s):
                return
            # Who comes next changes with the time, too.
            self._changed.wait(min([_TURN_S, *(one.until_s - now_s for one in self._receiving)]))

    def _next(self, now_s: float) -> _Turn:
        coming = Counter(turn.connection for turn in [*self._receiving, *self._slow])
        fewest = min(coming[turn.connection] for turn in self._waiting)
        waiting = [turn for turn in self._waiting if coming[turn.connection] == fewest]
        return waiting[-1 if now_s > waiting[0].since_s + _LONG_S else 0]


def first_of_most(connections: Sequence[str]) -> int:
    """Place of the first one of the connection that is there most often."""
    ((most, _),) = Counter(connections).most_common(1)
    return connections.index(most)
