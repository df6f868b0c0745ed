"""A report of a run on this machine, from its folder."""

import csv
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import yaml

from katib_cluster import bounded_yaml
from katib_local.manifest.experiment import Experiment
from katib_local.record import again, collector, kept_runs, remarks, trial_folder
from katib_local.record.collector import MalformedMetrics, Point
from katib_local.record.kept_runs import KeptRun
from katib_local.record.run_folder import RunFolder
from katib_local.record.store import Store
from katib_local.record.trials import Trial
from katib_local.report import alphas, epochs, importance
from katib_local.report.model import ControllerStep, Report, TrialReport, curves
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.files.result_files import ARTIFACTS

logger = logging.getLogger(__name__)

HISTORY = "*/history.csv"
"""Where the ENAS service writes, below its state, how its controller went on."""


def read(folder: RunFolder, *, is_running: bool | None = None) -> Report:
    """Read a run as it stands.

    Args:
        folder: of the run.
        is_running: whether a runner has it; None finds out.

    Raises:
        RunFolderError: its database is broken, or of another version.
    """
    run = kept_runs.read(folder)
    return of(run if is_running is None else replace(run, is_running=is_running))


def of(run: KeptRun) -> Report:
    """Make the report of a run that was read, with what its folder holds beside.

    Raises:
        RunFolderError: see `read`.
    """
    folder = run.folder
    with Store.reading(folder.database) as store:
        points = store.all_points()
    return Report(
        name=run.experiment.name,
        namespace=run.experiment.namespace,
        source=f"run in {folder.path}",
        state=run.state,
        is_interrupted=run.is_interrupted,
        started=run.started,
        written=datetime.now().astimezone(),
        objective=run.experiment.objective,
        algorithm=run.experiment.algorithm,
        settings=run.settings,
        parameters=run.experiment.parameters,
        trials=tuple(_trial(run.experiment, folder, trial, points.get(trial.name, ())) for trial in run.trials),
        controller=_controller(folder.service_state),
        learned=importance.read(folder.service_state),
        versions=run.versions,
        # Beside the manifest itself, which the page holds.
        command=again.run(f"{run.experiment.name}.yaml", run.options),
        manifest=yaml.dump(run.document, Dumper=bounded_yaml.Dumper, sort_keys=False, allow_unicode=True),
    )


def _trial(experiment: Experiment, folder: RunFolder, trial: Trial, points: Sequence[Point]) -> TrialReport:
    place = folder.trial(trial.name)
    if trial.condition is TrialCondition.RUNNING:
        points = _points_so_far(experiment, place)
    artifacts = place / ARTIFACTS
    return TrialReport(
        trial=trial,
        curves=curves(points),
        alphas=alphas.read(artifacts / alphas.FILE),
        epochs=epochs.read(artifacts / epochs.FILE),
        log=place / trial_folder.LOG,
        remarks=remarks.read(artifacts),
    )


def _points_so_far(experiment: Experiment, place: Path) -> list[Point]:
    """The store has a trial's points only once it has ended."""
    source = experiment.collector
    try:
        with trial_folder.output(trial_folder.metrics_file(place, source)) as output:
            return collector.collect(output, experiment.objective.metrics, source)
    except MalformedMetrics:
        return []


def _controller(state: Path) -> tuple[ControllerStep, ...]:
    """Read the service's history; the folder holds one experiment."""
    steps: list[ControllerStep] = []
    for path in state.glob(HISTORY):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                steps += [_step(row) for row in csv.DictReader(file)]
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            logger.warning("%s is left out of the report: it is no history of a controller: %s", path, error)
            return ()
    return tuple(step for step in steps if math.isfinite(step.entropy) and math.isfinite(step.skip_rate))


def _step(row: Mapping[str, str]) -> ControllerStep:
    return ControllerStep(
        num_trials=int(row["num_trials"]), entropy=float(row["entropy"]), skip_rate=float(row["skip_rate"])
    )
