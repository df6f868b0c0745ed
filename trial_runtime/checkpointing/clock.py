"""Time that a piece of work takes, over interruptions."""

import math
import time
from types import TracebackType


class Clock:
    """Runs within a ``with`` statement.

    Args:
        seconds: that had passed before.

    Raises:
        ValueError: so many never pass.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        if not 0 <= seconds < math.inf:
            raise ValueError(f"{seconds} seconds")
        self._before = seconds
        self._start: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before if self._start is None else self._before + time.monotonic() - self._start

    def __enter__(self) -> None:
        """Start."""
        self._start = time.monotonic()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop."""
        self._before, self._start = self.seconds, None
