"""Pages as they were rendered last, for all who look at the same."""

import gzip
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

_KEPT = 32
"""Pages; compressed, the largest has some hundred kilobytes."""

_SHARE = 0.1
"""Of the time of one core that goes at most into a dear page that changes all the time."""

_CHEAP_S = 0.25
"""What costs less is rendered whenever it has changed, which `Versions` notices once a second."""

_LEVEL = 5


@dataclass(slots=True)
class _Page:
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever renders it; the others wait, and take what comes of it."""
    version: str = ""
    compressed: bytes = b""
    fresh_until_s: float = 0.0


class Rendered:
    """Keeps the newest pages; use it from any thread."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, key: Hashable, version: Callable[[], str], render: Callable[[str], str]) -> bytes:
        """Return a page, compressed by gzip, that is not older than it costs.

        Args:
            key: of the page.
            version: tells of what it shows whether it has changed.
            render: makes the page of a version; what it raises is raised here.
        """
        page = self._find(key)
        with page.lock:
            now = version()
            if page.version != now and time.monotonic() >= page.fresh_until_s:
                start_s = time.monotonic()
                page.compressed = gzip.compress(render(now).encode(errors="replace"), _LEVEL, mtime=0)
                page.version = now
                end_s = time.monotonic()
                page.fresh_until_s = end_s + max(0.0, end_s - start_s - _CHEAP_S) / _SHARE
            return page.compressed

    def _find(self, key: Hashable) -> _Page:
        with self._lock:
            page = self._pages.setdefault(key, _Page())
            self._pages.move_to_end(key)
            while len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
            return page
