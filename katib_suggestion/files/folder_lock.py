"""A folder that one process at a time may write.

Standard library only: the trainers import this module.
"""

import fcntl
import logging
import threading
import time
from pathlib import Path
from typing import TextIO

from katib_suggestion.files import durable_files

logger = logging.getLogger(__name__)

FILE = ".lock"
"""In the folder; it stays there, and says nothing by being there."""

_POLL_S = 0.2


class FolderLock:
    """One process's claim to a folder; it ends with the process, however that ends.

    A folder that cannot be locked, since it cannot be written or lies on a file system without locks, is warned of once
    and left to whoever comes.

    Args:
        folder: is made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None
        self._has_warned = False
        # Of two locks of one process, the second would be refused as another process's is.
        self._claiming = threading.Lock()

    def claim(self) -> bool:
        """Take the folder unless another process has it; tell whether it may be used. Cheap, and safe to repeat."""
        with self._claiming:
            if self._file is None:
                try:
                    self._file = self._locked()
                except BlockingIOError:
                    return False
                except OSError as error:
                    self._warn(error)
            return True

    def wait(self, timeout_s: float) -> bool:
        """Claim the folder as soon as another process lets it go; tell whether it did in time."""
        if self.claim():
            return True
        logger.warning("%s is in use by another process: waiting up to %g s for its end", self._folder, timeout_s)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            if self.claim():
                return True
        return False

    def release(self) -> None:
        """Let the folder go."""
        with self._claiming:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _locked(self) -> TextIO:
        durable_files.make_folder(self._folder)
        file = (self._folder / FILE).open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            file.close()
            raise
        return file

    def _warn(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("%s cannot be locked (%s): see to it that one process uses it", self._folder, error.strerror)
