"""The smallest batch of images that a network learns from."""

from trial_runtime.command_line import CommandLineError
from trial_runtime.processes.processes import Processes

MIN_IMAGES = 2
"""Fewest images of a step in each process: batch norm needs as many where a map has a single pixel."""


def check_batch_size(batch_size: int, group: Processes) -> None:
    """Refuse a batch of which a process would get too little.

    Raises:
        CommandLineError: it is too small for so many processes.
    """
    least = MIN_IMAGES * group.size
    if batch_size < least:
        raise CommandLineError(
            f"--batch-size: {batch_size} is not allowed: {group.size} processes need at least {least}"
        )
