"""torchrun as it is, but that the processes of a trial are forked from it: they need not import torch again."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler

from tests.warm_python import Program


class Forked(Program, multiprocessing.get_context("fork").Process):  # type: ignore[name-defined,misc]
    """A process of the trial, in a session of its own as torchrun has it."""

    def run(self) -> None:
        os.setsid()
        super().run()


def start(_: SubprocessHandler, command: Sequence[str], environment: Mapping[str, str]) -> Forked:
    """Take the place of the method that starts ``python -u …``."""
    _, unbuffered, *words = command
    assert unbuffered == "-u"
    process = Forked(words, environment, Path.cwd())
    process.start()
    return process


SubprocessHandler._popen = start
run.main()
