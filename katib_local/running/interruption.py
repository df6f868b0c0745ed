"""Ctrl-C and SIGTERM, noticed at places where the runner can stop cleanly."""

import signal
import threading
import time
from types import FrameType, TracebackType

from katib_local.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TICK_S = 0.05


class Interruption:
    """While it is entered, a signal only sets a flag, which `check` and `sleep` turn into `Interrupted`.

    A flag and short sleeps, since the handler runs in the main thread: an Event's lock might be held there already.
    Python lets no other thread handle signals: entered there, it never interrupts.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """Of the signal that came last."""
        self._previous: list[tuple[signal.Signals, signal._HANDLER]] = []

    def __enter__(self) -> "Interruption":
        is_main = threading.current_thread() is threading.main_thread()
        for number in _SIGNALS if is_main else ():
            self._previous.append((number, signal.signal(number, self._request)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous:
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Interrupted where a signal has come."""
        if self.number is not None:
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Interrupted soon after a signal."""
        deadline = time.monotonic() + seconds
        self.check()
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _TICK_S))
            self.check()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.number = number
