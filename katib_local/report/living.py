"""The report of a run while it goes on."""

import logging
import time
from pathlib import Path

from katib_local.record.run_folder import RunFolder
from katib_local.report import page, read_run

logger = logging.getLogger(__name__)

_SHARE = 0.01
"""Of the run's time that goes into its report at most, so that a thousand trials do not slow each other."""

_REST_S = 10.0
"""The least time between two pages: nobody reads faster."""


class LivingReport:
    """Writes a run's report anew now and then.

    A page that cannot be written is warned of, once: the run is worth more.

    Args:
        folder: of the run, whose database is there.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._next_s = time.monotonic()
        self._has_warned = False

    def refresh(self) -> None:
        """Write the page, unless it is too early; call it as often as you like, while the run goes on."""
        start_s = time.monotonic()
        if start_s < self._next_s:
            return
        self._write(is_running=True)
        end_s = time.monotonic()
        self._next_s = end_s + max(_REST_S, (end_s - start_s) / _SHARE)

    def finish(self) -> Path | None:
        """Write the last page of a run that has ended, and return its path; None where it cannot be written."""
        return self._folder.report if self._write(is_running=False) else None

    def _write(self, *, is_running: bool) -> bool:
        try:
            page.write(read_run.read(self._folder, is_running=is_running), self._folder.report)
        except OSError as error:
            if not self._has_warned:
                logger.warning("the report cannot be written: %s", error)
            self._has_warned = True
            return False
        return True
