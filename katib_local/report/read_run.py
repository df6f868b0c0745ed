"""A report of a run on this machine, from its folder."""

import contextlib
import csv
import math
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import yaml

from katib_local import collector, manifest, trial_process
from katib_local.collector import MalformedMetrics, Point
from katib_local.experiment import Experiment
from katib_local.options import Options
from katib_local.report import alphas
from katib_local.report.model import ControllerStep, Report, TrialReport, curves
from katib_local.run_folder import RunFolder
from katib_local.store import Store
from katib_local.trials import Trial
from katib_suggestion.experiment import TrialCondition

HISTORY = "*/history.csv"
"""Where the ENAS service writes, below its state, how its controller went on."""


def read(folder: RunFolder, *, is_running: bool) -> Report:
    """Read a run as it stands.

    Args:
        folder: of the run.
        is_running: whether a runner has it.

    Raises:
        RunFolderError: its database is broken, or of another version.
    """
    with contextlib.closing(Store.read(folder.database)) as store:
        experiment = manifest.parse(store.manifest)
        points = store.all_points()
        state = "is running" if is_running else "interrupted; --resume goes on with it"
        return Report(
            name=experiment.name,
            namespace=experiment.namespace,
            source=f"run in {folder.path}",
            state=store.verdict.value if store.verdict else state,
            started=store.created.astimezone(),
            written=datetime.now().astimezone(),
            objective=experiment.objective,
            algorithm=experiment.algorithm,
            settings=(*experiment.settings, *store.reply_settings.items()),
            trials=tuple(_trial(experiment, folder, trial, points.get(trial.name, ())) for trial in store.trials()),
            controller=_controller(folder.service_state),
            versions=store.versions,
            command=_command(experiment.name, store.options),
            manifest=yaml.safe_dump(store.manifest, sort_keys=False, allow_unicode=True),
        )


def _trial(experiment: Experiment, folder: RunFolder, trial: Trial, points: Sequence[Point]) -> TrialReport:
    place = folder.trial(trial.name)
    if trial.condition is TrialCondition.RUNNING:
        points = _points_so_far(experiment, place)
    return TrialReport(
        trial=trial, curves=curves(points), alphas=alphas.read(place / trial_process.ARTIFACTS / alphas.FILE)
    )


def _points_so_far(experiment: Experiment, place: Path) -> list[Point]:
    """The store has a trial's points only once it has ended."""
    source = experiment.collector
    try:
        output = trial_process.metrics_file(place, source).read_bytes()
        return collector.collect(output, experiment.objective.metrics, source)
    except (FileNotFoundError, MalformedMetrics):
        return []


def _controller(state: Path) -> tuple[ControllerStep, ...]:
    """Read the service's history; the folder holds one experiment."""
    steps: list[ControllerStep] = []
    for path in state.glob(HISTORY):
        with path.open(encoding="utf-8", newline="") as file:
            steps += [
                ControllerStep(
                    num_trials=int(row["num_trials"]), entropy=float(row["entropy"]), skip_rate=float(row["skip_rate"])
                )
                for row in csv.DictReader(file)
            ]
    return tuple(step for step in steps if math.isfinite(step.entropy) and math.isfinite(step.skip_rate))


def _command(name: str, options: Options) -> str:
    """The command line that runs the same again; NAME.yaml is the manifest."""
    flags: list[object] = []
    for flag, value in (
        ("--dataset", options.dataset),
        ("--data-dir", options.data_dir),
        ("--max-images", options.max_images),
        ("--parallel", options.parallel),
        ("--seed", options.seed),
        ("--suggestion", options.suggestion),
    ):
        if value is not None:
            flags += [flag, value]
    for image, program in options.images.items():
        flags += ["--image", f"{image}={program}"]
    return shlex.join(["katib-nas", "run", f"{name}.yaml", *map(str, flags)])
