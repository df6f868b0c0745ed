"""``katib-nas``: run a Katib Experiment on this machine, look at what it found, or register on a cluster."""

import argparse
import logging
import sqlite3
import sys

from rich.console import Console

from darts_genotype.genotype import GenotypeError
from enas_trainer.architecture.fields import InvalidNetwork
from katib_cluster.errors import ClusterError, InvalidConfiguration
from katib_cluster.register import register
from katib_local.commands.arguments import (
    EXIT_CLUSTER,
    EXIT_EXPERIMENT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_MACHINE,
    EXIT_REFUSED,
    EXIT_SERVICE,
    EXIT_SUCCEEDED,
    EXIT_USAGE,
    options_of,
    parser,
)
from katib_local.commands.report import report
from katib_local.errors import Interrupted, RegistryError, RunFolderError, SuggestionError, UsageError
from katib_local.manifest import manifest
from katib_local.record import again
from katib_local.record.trials import Verdict, best
from katib_local.running import runner
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_client import ExperimentRefused
from katib_local.showing import display, summary
from katib_suggestion import streams
from katib_suggestion.errors import InvalidExperiment, escaped, one_line


class _StandardError(logging.Handler):
    """Writes to what sys.stderr is by then: while a live table is drawn, to what keeps lines out of it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; every failure is a line on standard error, and has an exit code of its own."""
    streams.take_any_text()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", handlers=[_StandardError()])
    try:
        arguments = parser(run, validate, report, register).parse_args(argv)
        code: int = arguments.command(arguments)
    except (UsageError, RunFolderError, InvalidConfiguration) as error:
        return _fail(error, EXIT_USAGE)
    except InvalidExperiment as error:
        return max(_fail(fault, EXIT_REFUSED) for fault in error.faults)
    except (ExperimentRefused, GenotypeError, InvalidNetwork) as error:
        return _fail(error, EXIT_REFUSED)
    except SuggestionError as error:
        return _fail(error, EXIT_SERVICE)
    except (ClusterError, RegistryError) as error:
        return _fail(error, EXIT_CLUSTER)
    except (OSError, sqlite3.Error) as error:
        return _fail(error, EXIT_MACHINE)
    except (Interrupted, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return code


def validate(arguments: argparse.Namespace) -> int:
    """Check that a manifest can run here or on a cluster, and that the suggestion service takes it."""
    with Interruption() as interruption:
        reasons = runner.validate(manifest.read(arguments.manifest), options_of(arguments), interruption)
    name = "standard input" if arguments.manifest == manifest.STANDARD_INPUT else arguments.manifest
    why = "; ".join(escaped(reason.because) for reason in reasons)
    said = f"is valid for a cluster; here it does not run, because {why}" if reasons else "is valid"
    Console().print(f"{name} {said}", markup=False, highlight=False, soft_wrap=True)
    return EXIT_SUCCEEDED


def run(arguments: argparse.Namespace) -> int:
    """Run an experiment, or go on with one."""
    with Interruption() as interruption:
        outcome = runner.run(
            manifest.read(arguments.manifest),
            options_of(arguments),
            interruption,
            lambda experiment: display.make(experiment, Console(stderr=True)),
            output_dir=arguments.output_dir,
            resume=arguments.resume,
        )
    console = Console()
    width = console.width if console.is_terminal else None
    folder = outcome.folder.path
    for line in summary.lines(outcome.experiment, outcome.trials, outcome.verdict, folder, width):
        display.write(console, line)
    if outcome.page is not None:
        display.write(console, f"Report: {again.place(outcome.page)}")
    if outcome.verdict is None:
        command = again.resume(again.manifest(outcome.options, outcome.experiment.name), folder)
        display.write(console, f"To go on: {command}")
        return EXIT_INTERRUPTED
    has_failed = (
        outcome.verdict is Verdict.TOO_MANY_FAILED or best(outcome.experiment.objective, outcome.trials) is None
    )
    return EXIT_EXPERIMENT_FAILED if has_failed else EXIT_SUCCEEDED


def _fail(error: BaseException, code: int) -> int:
    sys.stderr.write(f"katib-nas: {one_line(error)}\n")
    return code
