"""A line of the log is one line, whatever stands in the names and texts that it tells of."""

import logging

from katib_suggestion.errors import escaped


class LineFormatter(logging.Formatter):
    """Escapes what would end a line or move a terminal's cursor, and cuts what is long.

    The lines of a traceback, in which an exception's text may stand, are set in.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return a record's line."""
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 (logging's name)
        """Return a traceback, set in."""
        return "\n".join(f"    {escaped(line)}" for line in super().formatException(ei).splitlines())  # type: ignore[arg-type]
