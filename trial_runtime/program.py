"""A program of a trainer: what its main function comes to, as an exit code and a line on standard error."""

import logging
import sys
from collections.abc import Callable

from torch import OutOfMemoryError

from katib_suggestion import streams
from katib_suggestion.errors import one_line
from trial_runtime.errors import TrainingDiverged
from trial_runtime.processes import processes
from trial_runtime.processes.termination import Terminated

EXIT_WRONG_INPUT = 2
"""A flag, a value or the data are wrong: the same trial fails again."""
EXIT_MACHINE = 3
"""The machine gave out: no space, no memory, no permission."""
EXIT_DIVERGED = 4
"""The training diverged."""
EXIT_INTERRUPTED = 130
"""Ctrl-C, as shells count it."""
EXIT_TERMINATED = 143
"""SIGTERM, as shells count it: the same command goes on with the trial."""

_CPU_ALLOCATOR = "DefaultCPUAllocator"
"""Stands in the message when memory runs out on a CPU, for which torch has no class of its own."""

_OUR_PACKAGES = frozenset(
    {
        "katib_suggestion",
        "darts_service",
        "darts_genotype",
        "cell_networks",
        "trial_runtime",
        "darts_trainer",
        "enas_trainer",
    }
)

logger = logging.getLogger(__name__)


def run(main: Callable[[], None]) -> int:
    """Run a program's main function and return its exit code; logs go to standard error.

    Mistakes of a user, the ValueErrors that these packages define, become one line and `EXIT_WRONG_INPUT`; a machine
    that gives out becomes one line and `EXIT_MACHINE`, a training that diverges one line and `EXIT_DIVERGED`; Ctrl-C
    becomes `EXIT_INTERRUPTED`, SIGTERM that a trial takes note of `EXIT_TERMINATED`. Anything else is a fault of the
    program and leaves with its traceback.

    Of several processes under torchrun, the first alone logs what is no warning, and one alone says why they fail.
    """
    streams.take_any_text()
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
    except Terminated as error:
        logger.info("%s", error)
        return EXIT_TERMINATED
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
    sys.stderr.write(f"error: {one_line(error)}\n")
    return code
