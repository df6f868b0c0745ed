"""What the command lines of both trainers share.

A trainer reads::

    parser = command_line.Parser(prog="…")
    command_line.add_data_arguments(parser)
    arguments = parser.parse_args(argv)

inside the function that it hands to `run`, so that every mistake becomes one line on standard error.
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from torch import OutOfMemoryError

from trial_runtime import datasets, devices, processes
from trial_runtime.errors import TrainingDiverged

EXIT_WRONG_INPUT = 2
"""A flag, a value or the data are wrong: the same trial fails again."""
EXIT_MACHINE = 3
"""The machine gave out: no space, no memory, no permission."""
EXIT_DIVERGED = 4
"""The training diverged."""
EXIT_INTERRUPTED = 130
"""Ctrl-C, as shells count it."""

_CPU_ALLOCATOR = "DefaultCPUAllocator"
"""Stands in the message when memory runs out on a CPU, for which torch has no class of its own."""

_OUR_PACKAGES = frozenset({"katib_suggestion", "darts_service", "trial_runtime", "darts_trainer", "enas_trainer"})

logger = logging.getLogger(__name__)


class CommandLineError(ValueError):
    """A flag is unknown, missing, or has a value that it does not take."""


class Parser(argparse.ArgumentParser):
    """A parser that raises `CommandLineError` where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        raise CommandLineError(message)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--dataset``, ``--data-dir``, ``--max-images``, ``--output-dir``, ``--seed`` and ``--device``.

    In the namespace: ``dataset: str``, ``data_dir: Path | None``, ``max_images: int | None``, ``output_dir: Path``,
    ``seed: int | None``, ``device: torch.device``. Where a flag is not given, its environment variable decides, so that
    a runner or a cluster changes the data without changing a command.
    """
    group = parser.add_argument_group("data and machine")

    def add(flag: str, convert: Callable[[str], object], default: str | None, text: str) -> None:
        variable = f"KATIB_NAS_{flag.removeprefix('--').replace('-', '_').upper()}"
        group.add_argument(
            flag,
            type=convert,
            # An empty variable counts as none: manifests set variables to nothing to switch them off.
            default=os.environ.get(variable) or default,
            help=f"{text} (without it: ${variable}, else {default or 'none'})",
        )

    add("--dataset", str, datasets.DEFAULT_DATASET, datasets.KNOWN)
    add("--data-dir", Path, None, f"folder of the data; without any, {datasets.default_data_dir()}")
    add("--max-images", integer(1), None, "search on that many training images, drawn at random")
    add("--output-dir", Path, "output", "folder for what the trial writes")
    group.add_argument("--seed", type=integer(0), help="makes a run repeatable (without it: a new one, logged)")
    device = "auto, cpu, cuda, cuda:N or mps (default: auto); under torchrun each process takes its own CUDA device"
    group.add_argument("--device", type=_device, default="auto", help=device)


def integer(minimum: int) -> Callable[[str], int]:
    """Return a type for argparse: an integer from a minimum, which is not negative."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: it must be an integer >= {minimum}")
        return int(text)

    return read


def run(main: Callable[[], None]) -> int:
    """Run a program's main function and return its exit code; logs go to standard error.

    Mistakes of a user, the ValueErrors that these packages define, become one line and `EXIT_WRONG_INPUT`; a machine
    that gives out becomes one line and `EXIT_MACHINE`, a training that diverges one line and `EXIT_DIVERGED`; Ctrl-C
    becomes `EXIT_INTERRUPTED`. Anything else is a fault of the program and leaves with its traceback.

    Of several processes under torchrun, the first alone logs what is no warning, and one alone says why they fail.
    """
    try:
        _log_to_standard_error(processes.here())
        main()
    except ValueError as error:
        if type(error).__module__.partition(".")[0] not in _OUR_PACKAGES:
            raise
        return _fail(error, EXIT_WRONG_INPUT)
    except (OSError, MemoryError, OutOfMemoryError) as error:
        return _fail(error, EXIT_MACHINE)
    except RuntimeError as error:
        if _CPU_ALLOCATOR not in str(error):
            raise
        return _fail(error, EXIT_MACHINE)
    except TrainingDiverged as error:
        return _fail(error, EXIT_DIVERGED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def _log_to_standard_error(process: processes.Processes) -> None:
    level = logging.INFO if process.is_first else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _fail(error: BaseException, code: int) -> int:
    if not processes.is_first_to_fail():
        return code
    # Katib collects standard error as well, line by line: a message of one line cannot break into a metric's line.
    message = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"error: {message}\n")
    return code


def _device(text: str) -> object:
    try:
        return devices.resolve(text, processes.here())
    except (devices.DeviceError, processes.ProcessesError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
