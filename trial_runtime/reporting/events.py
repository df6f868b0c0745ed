"""Curves for TensorBoard."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)


class Events:
    """Appends numbers to a file of events of its own in a folder, as TensorBoard reads it.

    What cannot be written is warned of once, and no more is written then.

    Args:
        folder: of all files of events of one trial; is made if it is missing.
        first_step: the first that will be written here: TensorBoard drops what earlier files have from there on.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter  # a second that no other program should pay
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._folder = folder
        self._writer: EventsWriter | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads files in the order of their names, in which the second of the start comes first.
            self._writer = EventsWriter(str(folder / "events"), f".{first_step:06}")
            self._writer.write_event(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))
            self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Append numbers by the names of their curves; a slash in a name divides group and curve."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        if self._writer is None:
            return
        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
        try:
            self._writer.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
            self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()

    def _give_up(self, error: OSError) -> None:
        self._writer = None
        logger.warning("%s: TensorBoard's events cannot be written: %s", self._folder, error)
