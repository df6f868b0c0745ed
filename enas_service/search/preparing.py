"""What takes long in a search, done between calls: begun after one, and waited for by the next."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import Caller, Unavailable

T = TypeVar("T")


class Preparing(Generic[T]):
    """One preparation at a time, in the thread that `begin` is given; nothing depends on when.

    Args:
        prepare: prepares for the next call.
    """

    def __init__(self, prepare: Callable[[], T]) -> None:
        self._prepare = prepare
        self._running: Future[T] | None = None
        self._ready: T | None = None
        self._took_s = 0.0

    def begin(self, executor: Executor, then: Callable[[], None]) -> None:
        """Prepare for the next call in another thread, and call ``then`` there."""

        def prepare() -> T:
            prepared = self._timed()
            then()
            return prepared

        self._running = executor.submit(prepare)

    def settle(self) -> None:
        """Wait until what is being prepared is ready, or the caller has gone.

        Raises:
            Unavailable: it has.
        """
        if (running := self._running) is not None:
            caller.current().result(running)

    def result(self, waiting: Caller, needed_s: float) -> T:
        """What was prepared since the last call; now where there was no time yet, or another process made that call.

        It stays prepared until `use`.

        Args:
            waiting: for the reply.
            needed_s: how long the reply takes after this.

        Raises:
            Unavailable: the caller does not wait until then, and until the reply.
        """
        if self._ready is None:
            if (running := self._running) is not None:
                is_begun = running.running() or running.done()
                waiting.check(needed_s if is_begun else needed_s + self._took_s)
                if not running.cancel():
                    self._ready = self._waited_for(running, waiting, needed_s)
                self._running = None
            if self._ready is None:
                self._ready = self._timed()
        waiting.check(needed_s)
        return self._ready

    def use(self) -> None:
        """The reply is there: the next call needs another preparation."""
        self._ready = None

    def _waited_for(self, running: Future[T], waiting: Caller, needed_s: float) -> T:
        try:
            return waiting.result(running, needed_s)
        except Unavailable:
            raise
        except BaseException:
            self._running = None  # the next call tries anew
            raise

    def _timed(self) -> T:
        started = time.monotonic()
        prepared = self._prepare()
        self._took_s = time.monotonic() - started
        return prepared
