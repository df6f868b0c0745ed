"""The programs of the trainers, in whose place this one goes on: torch is theirs alone."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def command(module: str, flags: Sequence[str], num_processes: int = 1) -> list[str]:
    """Return what runs a module.

    Args:
        module: of a trainer.
        flags: its command line.
        num_processes: more than one share each step, each on a GPU of its own.
    """
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    return [sys.executable, *(torchrun if num_processes > 1 else []), "-m", module, *flags]


def become(words: Sequence[str]) -> NoReturn:
    """Go on as another program, so that signals, the terminal and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], list(words))  # noqa: S606 - a shell would stand between
