"""The versions of what is shown, asked for once for all who look."""

import threading
import time

from dashboard.sources.source import Source

_KEPT_S = 1.0
_MOST = 4096


class Versions:
    """Asks a source at most once a second; use it from any thread.

    Args:
        source: that knows them.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str | None], tuple[float, str]] = {}

    def of(self, place: str, *keys: str | None) -> str:
        """Return a text that changes when one of some experiments of a place does; for the key None, when any does.

        Raises:
            NotThereError: there is no such place or experiment.
            UnreadableError: the source cannot tell.
        """
        return " ".join(self._one(place, key) for key in keys)

    def _one(self, place: str, key: str | None) -> str:
        with self._lock:
            until_s, version = self._known.get((place, key), (0.0, ""))
        if time.monotonic() < until_s:
            return version
        version = self._source.version(place, key)
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[place, key] = (time.monotonic() + _KEPT_S, version)
        return version
