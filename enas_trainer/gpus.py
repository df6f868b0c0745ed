"""What Katib's flag ``--num_gpus`` comes to: processes that torchrun starts, each with a GPU of its own."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

_PROGRAM = Path(__file__).with_name("RunTrial.py")

logger = logging.getLogger(__name__)


def num_processes(num_gpus: int, device: torch.device) -> int:
    """Return in how many processes to train: as many as GPUs were asked for, if there are so many.

    Where there are fewer, that is warned of, and those that there are do the work; a device that was asked for by
    number, or is no CUDA device, does it alone.
    """
    available = torch.cuda.device_count() if device.type == "cuda" and device.index is None else 1
    if num_gpus > available:
        what = f"{available} CUDA devices" if available > 1 else str(device)
        logger.warning("%d GPUs were asked for; the trial trains on %s", num_gpus, what)
    return min(max(num_gpus, 1), available)


def command(num_processes: int, argv: Sequence[str]) -> list[str]:
    """Return the command that runs the trainer in several processes of this machine."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    return [*torchrun, str(_PROGRAM), *argv]


def spread(num_gpus: int, device: torch.device, argv: Sequence[str]) -> None:
    """Go on as torchrun with a process for each GPU, where there shall be several.

    Where torchrun has started this process, its number of processes counts.
    """
    if os.environ.get("WORLD_SIZE"):
        return
    count = num_processes(num_gpus, device)
    if count > 1:
        logger.info("training in %d processes", count)
        # So that signals and the exit code are torchrun's.
        os.execv(sys.executable, command(count, argv))  # noqa: S606 - a shell would stand between
