"""``katib-nas``: run a Katib Experiment on this machine, look at what it found, or register on a cluster."""

import argparse
import contextlib
import logging
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console

from darts_genotype.genotype import GenotypeError
from enas_trainer.fields import InvalidNetwork
from katib_cluster.errors import ClusterError, InvalidConfiguration
from katib_cluster.register import register
from katib_local import display, images, manifest, run_folder, template
from katib_local.arguments import (
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
from katib_local.controller import Controller
from katib_local.errors import Interrupted, RunFolderError, SuggestionError, UsageError
from katib_local.experiment import Experiment
from katib_local.interruption import Interruption
from katib_local.options import Options
from katib_local.report.command import report
from katib_local.report.living import LivingReport
from katib_local.run_folder import RunFolder
from katib_local.store import Store
from katib_local.suggestion_client import ExperimentRefused, SuggestionClient
from katib_local.suggestion_process import MODULES, START_TIMEOUT_S, SuggestionProcess, wait_until_serving
from katib_local.trials import Verdict, best, judge
from katib_suggestion.errors import InvalidExperiment

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; every failure is one line on standard error and an exit code of its own."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        arguments = parser(run, validate, report, register).parse_args(argv)
        code: int = arguments.command(arguments)
    except (UsageError, RunFolderError, InvalidConfiguration) as error:
        return _fail(error, EXIT_USAGE)
    except (InvalidExperiment, ExperimentRefused, GenotypeError, InvalidNetwork) as error:
        return _fail(error, EXIT_REFUSED)
    except SuggestionError as error:
        return _fail(error, EXIT_SERVICE)
    except ClusterError as error:
        return _fail(error, EXIT_CLUSTER)
    except (OSError, sqlite3.Error) as error:
        return _fail(error, EXIT_MACHINE)
    except (Interrupted, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return code


def validate(arguments: argparse.Namespace) -> int:
    """Check a manifest, by our rules and by the suggestion service's."""
    options = options_of(arguments)
    experiment, _ = manifest.load(arguments.manifest)
    _check_runs_here(experiment, options)
    with (
        tempfile.TemporaryDirectory(prefix="katib-nas-") as folder,
        Interruption() as interruption,
        _client(experiment, RunFolder(Path(folder)), options, interruption) as client,
    ):
        client.validate()
    Console().print(f"{arguments.manifest} is valid", markup=False, highlight=False, soft_wrap=True)
    return EXIT_SUCCEEDED


def run(arguments: argparse.Namespace) -> int:
    """Run an experiment, or go on with one."""
    options = options_of(arguments)
    experiment, read = manifest.load(arguments.manifest)
    now = datetime.now()
    if arguments.resume:
        folder = run_folder.find(arguments.output_dir, experiment.name)
    else:
        _check_runs_here(experiment, options)
        folder = run_folder.create(arguments.output_dir, experiment.name, now)
    with run_folder.locked(folder), Interruption() as interruption, contextlib.ExitStack() as stack:
        if arguments.resume:
            store = stack.enter_context(contextlib.closing(Store.open(folder.database, read)))
            options = options.resumed_from(store.options)
            _check_runs_here(experiment, options)
            store.set_options(options)
        else:
            store = Store.create(folder.database, experiment.name, read, options, now)
            stack.enter_context(contextlib.closing(store))
        if options.parallel is not None:
            experiment = replace(experiment, parallel_trials=options.parallel)
        try:
            return _control(experiment, folder, options, store, interruption)
        except ExperimentRefused:
            # Nothing has run: the folder can be used again once the manifest is mended.
            if not arguments.resume:
                run_folder.discard(folder)
            raise
        except SuggestionError as error:
            raise SuggestionError(f"{error}; the run is in {folder.path}, and --resume goes on with it") from error


def _control(
    experiment: Experiment, folder: RunFolder, options: Options, store: Store, interruption: Interruption
) -> int:
    """Run the loop, unless the experiment is over already, and show the result."""
    verdict = judge(experiment, store.trials())
    living = LivingReport(folder)
    code = EXIT_SUCCEEDED
    try:
        if verdict is None:
            with _client(experiment, folder, options, interruption) as client:
                client.validate()
                verdict = _loop(experiment, folder, options, store, client, interruption, living)
    except Interrupted:
        code = EXIT_INTERRUPTED
    trials = store.trials()
    display.show_result(experiment, trials, verdict, folder.path, Console())
    page = living.finish()
    if page is not None:
        display.show_report(page, Console())
    if verdict is Verdict.TOO_MANY_FAILED or (verdict and best(experiment.objective, trials) is None):
        code = EXIT_EXPERIMENT_FAILED
    return code


def _loop(
    experiment: Experiment,
    folder: RunFolder,
    options: Options,
    store: Store,
    client: SuggestionClient,
    interruption: Interruption,
    living: LivingReport,
) -> Verdict:
    with display.make(experiment, Console(stderr=True)) as shown:
        controller = Controller(
            experiment=experiment,
            folder=folder,
            options=options,
            store=store,
            client=client,
            display=shown,
            interruption=interruption,
            refresh=living.refresh,
        )
        return controller.run()


@contextlib.contextmanager
def _client(
    experiment: Experiment, folder: RunFolder, options: Options, interruption: Interruption
) -> Iterator[SuggestionClient]:
    """Start the algorithm's service, or reach the one that was named."""
    if options.suggestion is not None:
        wait_until_serving(options.suggestion, START_TIMEOUT_S, interruption)
        yield SuggestionClient(experiment, options.suggestion, None, interruption)
        return
    module = MODULES[experiment.algorithm]
    flags = _service_flags(experiment, folder, options)
    with SuggestionProcess(module, flags, folder.service_log, interruption) as process:
        yield SuggestionClient(experiment, process.address, process, interruption)


def _service_flags(experiment: Experiment, folder: RunFolder, options: Options) -> list[str]:
    """DARTS keeps no state and draws nothing."""
    if experiment.algorithm != "enas":
        return []
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    return ["--state-dir", str(folder.service_state), *seed]


def _check_runs_here(experiment: Experiment, options: Options) -> None:
    """Refuse what no program of this machine can run, and say what is not heeded."""
    if options.suggestion is None and experiment.algorithm not in MODULES:
        allowed = f"{' and '.join(MODULES)} are started here; others need a service of yours: --suggestion HOST:PORT"
        raise InvalidExperiment("spec.algorithm.algorithmName", experiment.algorithm, allowed)
    container = template.check(experiment.template)
    images.program_dir(container.image, options.images)
    unmet = (*experiment.template.unmet, *container.unmet)
    if unmet:
        logger.warning("this machine does not heed %s of the trial template", ", ".join(unmet))
    if experiment.max_trials is None and experiment.objective.goal is None:
        logger.warning("there is no maxTrialCount and no goal: the experiment runs until Ctrl-C")


def _fail(error: BaseException, code: int) -> int:
    message = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"katib-nas: {message}\n")
    return code
