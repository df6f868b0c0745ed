"""One experiment from its manifest to its end: folder, database, suggestion service, loop and report."""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from katib_local.errors import ClusterOnly, Interrupted, RunFolderError, SuggestionError, UnusableSuggestion
from katib_local.manifest import cluster_advice, manifest, stand_in
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import Experiment
from katib_local.record import again, run_folder
from katib_local.record.options import Options
from katib_local.record.run_folder import RunFolder
from katib_local.record.store import Store
from katib_local.record.trials import FAILURES, Trial, Verdict, judge
from katib_local.report.living import LivingReport
from katib_local.running import leftovers, preflight, trial_images
from katib_local.running.controller import Controller, Display
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_client import ExperimentRefused, SuggestionClient
from katib_local.running.suggestion_process import MODULES, START_TIMEOUT_S, SuggestionProcess, wait_until_serving
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import TrialCondition

_CAME_TO_NOTHING = FAILURES | {TrialCondition.KILLED}

logger = logging.getLogger(__name__)

MakeDisplay = Callable[[Experiment], contextlib.AbstractContextManager[Display]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended."""

    experiment: Experiment
    folder: RunFolder
    options: Options
    """Those of a run that was resumed from its start, too."""
    trials: Sequence[Trial]
    verdict: Verdict | None
    """None where it was interrupted."""
    page: Path | None
    """The report; None where it could not be written."""


def validate(read: Document, options: Options, interruption: Interruption) -> Sequence[ClusterOnly]:
    """Check a manifest, and that the suggestion service takes it; warn of what a cluster would not.

    Returns:
        why it does not run here, though it is valid for a cluster; nothing where it runs.

    Raises:
        InvalidExperiment: it cannot run here.
        UsageError: the images that are named in the options cannot be used.
        ExperimentRefused: the service does not accept it.
        SuggestionError: the service does not answer.
        Interrupted: a signal came.
    """
    experiment, reasons = _checked(read, options)
    if not reasons:
        experiment = trial_images.fitted(experiment, options, is_run=False)
    for sentence in cluster_advice.advice(experiment, read):
        logger.warning("%s", sentence)
    if options.suggestion is not None or experiment.algorithm in MODULES:
        with (
            tempfile.TemporaryDirectory(prefix="katib-nas-") as folder,
            _client(experiment, RunFolder(Path(folder)), options, interruption) as client,
        ):
            client.validate()
    return reasons


def _checked(read: Document, options: Options) -> tuple[Experiment, Sequence[ClusterOnly]]:
    """Read an Experiment to be looked at; where it only runs on a cluster, with a stand-in for its trial, and why.

    Raises:
        InvalidExperiment: it is wrong wherever it runs.
    """
    try:
        experiment = manifest.parse(read)
        preflight.check(experiment, options)
    except InvalidExperiment as error:
        reasons = _only_on_a_cluster(error)
    else:
        return experiment, ()
    experiment = manifest.parse(stand_in.of(read))
    try:
        preflight.check(experiment, options)
    except InvalidExperiment as error:
        _only_on_a_cluster(error)
    return experiment, reasons


def _only_on_a_cluster(error: InvalidExperiment) -> Sequence[ClusterOnly]:
    reasons = [fault for fault in error.faults if isinstance(fault, ClusterOnly)]
    wrong = [fault for fault in error.faults if not isinstance(fault, ClusterOnly)]
    if wrong:
        raise error
    return reasons


def run(
    read: Document,
    options: Options,
    interruption: Interruption,
    make_display: MakeDisplay,
    *,
    output_dir: Path | None = None,
    resume: bool = False,
) -> Outcome:
    """Run an experiment, or go on with one.

    Args:
        read: the manifest.
        options: beyond the manifest.
        interruption: entered; ends the run, which returns then.
        make_display: makes what shows it while it goes.
        output_dir: folder of the run; None for one below `run_folder.RUNS`.
        resume: goes on with the run in that folder or, without one, with the experiment's newest.

    Raises:
        InvalidExperiment: the manifest is wrong, or cannot run here.
        ExperimentRefused: the service does not accept it.
        SuggestionError: the service does not answer as it must.
        RunFolderError: the folder cannot be used.
        UsageError: the images of the trials cannot be used.
    """
    experiment = manifest.parse(read, is_new=not resume)
    now = datetime.now()
    if resume:
        folder = run_folder.find(output_dir, experiment.name)
    else:
        preflight.check(experiment, options)
        experiment = trial_images.fitted(experiment, options, is_run=True)
        folder = run_folder.create(output_dir, experiment.name, now)
    with run_folder.locked(folder), contextlib.ExitStack() as stack:
        if resume:
            leftovers.end(folder.path)
            store = stack.enter_context(contextlib.closing(Store.open(folder.database)))
            options = options.resumed_from(store.options)
            difference = store.difference(read)
            if difference is not None:
                experiment = manifest.parse(read)
            preflight.check(experiment, options, is_new=difference is not None)
            if difference is not None:
                _begin_anew(store, folder, read, difference)
            store.set_options(options)
            if judge(experiment, store.trials()) is None:
                experiment = trial_images.fitted(experiment, options, is_run=True)
        else:
            store = Store.create(folder.database, experiment.name, read, options, now)
            stack.enter_context(contextlib.closing(store))
        if options.parallel is not None:
            experiment = replace(experiment, parallel_trials=options.parallel)
        try:
            return _control(experiment, folder, options, store, interruption, make_display)
        except ExperimentRefused:
            # Nothing has run: the folder can be used again once the manifest is mended.
            if not resume:
                run_folder.discard(folder)
            raise
        except SuggestionError as error:
            command = again.resume(again.manifest(options, experiment.name), folder.path)
            once = " with a corrected manifest" if isinstance(error, UnusableSuggestion) else ""
            raise SuggestionError(f"{error}; the run is in {folder.path}, and goes on{once} by: {command}") from error


def _begin_anew(store: Store, folder: RunFolder, read: Document, difference: str) -> None:
    """Take a corrected manifest for a run that has come to nothing by its own.

    Raises:
        RunFolderError: the run has come to something, which would be lost.
    """
    is_another = read["metadata"]["name"] != store.manifest["metadata"]["name"]
    if is_another or any(trial.condition not in _CAME_TO_NOTHING for trial in store.trials()):
        raise RunFolderError(
            f"--resume: the manifest differs from that of the run at {difference}; once a trial has been measured or "
            f"is to go on, only {', '.join(manifest.EDITABLE)} may change. Start a new run for the new manifest"
        )
    place = run_folder.set_aside(folder)
    store.begin_anew(read)
    kept = "" if place is None else f"; what its trials wrote is in {place}"
    logger.warning("the manifest is another at %s: the run, which measured no trial, begins anew%s", difference, kept)


def _control(
    experiment: Experiment,
    folder: RunFolder,
    options: Options,
    store: Store,
    interruption: Interruption,
    make_display: MakeDisplay,
) -> Outcome:
    """Run the loop, unless the experiment is over already, and write the report."""
    verdict = judge(experiment, store.trials())
    living = LivingReport(folder)
    # Shown until all has stopped: starting and ending a service takes seconds.
    with make_display(experiment) as shown:
        if verdict is None:
            with contextlib.suppress(Interrupted), _client(experiment, folder, options, interruption) as client:
                client.validate()
                verdict = Controller(
                    experiment=experiment,
                    folder=folder,
                    options=options,
                    store=store,
                    client=client,
                    display=shown,
                    interruption=interruption,
                    refresh=living.refresh,
                ).run()
        page = living.finish()
    return Outcome(
        experiment=experiment, folder=folder, options=options, trials=store.trials(), verdict=verdict, page=page
    )


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
