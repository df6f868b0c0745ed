"""What a search has found, by whatever a user names it: a run, a trial, a file, a text, or a cluster's Experiment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from darts_genotype.finding import START
from darts_genotype.loading import RECORD as GENOTYPE
from enas_trainer.architecture.loading import RECORD as ARCHITECTURE
from enas_trainer.architecture.loading import TRAINED
from katib_local.errors import RunFolderError
from katib_local.manifest import manifest, template
from katib_local.manifest.experiment import Experiment
from katib_local.models import data_flags, origin, recipes
from katib_local.models.origin import Origin
from katib_local.models.recipes import Recipe
from katib_local.record import kept_runs, run_folder
from katib_local.record.kept_runs import KeptRun
from katib_local.record.run_folder import RUNS, RunFolder
from katib_local.record.trials import Trial, best, without_best
from katib_suggestion.files import result_files
from katib_suggestion.files.result_files import ARTIFACTS, NotFound
from katib_suggestion.files.user_paths import user_path

FOLDER = "trained"
"""Where a training goes when nothing else is said: in the folder of what was found."""

_RECORDS = (ARCHITECTURE, GENOTYPE, TRAINED)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToTrain:
    """A network that can be trained."""

    recipe: Recipe
    """By which program, and what."""
    data: tuple[str, ...] = ()
    """Flags of the data that its trial had, as far as they are known."""
    folder: Path
    """Where the training goes when nothing else is said."""
    origin: Origin = field(default_factory=dict)
    """The search; empty where nothing is known of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Plain parameters: what they mean, only the trial's own program knows."""

    trial: Trial
    """The best one."""
    command: str
    """That of the trial, with the best values."""


def named(text: str | None) -> ToTrain | Chosen:
    """Find what a user names.

    Args:
        text: the folder of a run, or its name below `RUNS`; that of a trial, or of a search; a file; a genotype; an
            architecture. None takes the newest run below `RUNS`.

    Raises:
        RunFolderError: there is no such run, or nothing in it has been measured, or is within its budget.
        GenotypeError, InvalidNetwork: what is there is neither genotype nor architecture.
    """
    if text is None:
        return _of_run(kept_runs.read(run_folder.newest(None)))
    if _is_text(text):
        return ToTrain(recipe=_of_text(text), folder=Path(FOLDER))
    path = user_path(text)
    for place in (path, RUNS / path):
        if (place / "experiment.db").is_file():
            return _of_run(kept_runs.read(RunFolder(place.absolute())))
        if (run := _run_around(place)) is not None:
            return _of_run(kept_runs.read(run), _trial_of(place))
    return _of_files(text, path)


def run_of(path: Path | None) -> KeptRun | None:
    """Find the run that a user names, or whose trial or training it is; None where there is none.

    Raises:
        RunFolderError: it cannot be read; or none is named, and there is none.
    """
    if path is None:
        return kept_runs.read(run_folder.newest(None))
    for place in (path, RUNS / path, path.absolute().parent):
        if (place / "experiment.db").is_file():
            return kept_runs.read(RunFolder(place.absolute()))
        if (run := _run_around(place)) is not None:
            return kept_runs.read(run)
    return None


def on_cluster(name: str, namespace: str, context: str | None) -> ToTrain | Chosen:
    """Find what an Experiment on a cluster has found.

    Raises:
        ClusterError: the cluster cannot be reached, or has no such Experiment.
        RunFolderError: no trial of it has been measured, or is within its budget.
    """
    # The client takes a second to import.
    from katib_local.report import read_cluster

    report = read_cluster.read(name, namespace, context)
    trial = best(report.objective, [item.trial for item in report.trials])
    if trial is None:
        reason = without_best(report.objective, [item.trial for item in report.trials])
        raise RunFolderError(f"{report.source}: {reason}")
    document = yaml.safe_load(report.manifest)
    experiment = manifest.parse(document, is_new=False)
    recipe = _of_assignments(trial)
    if recipe is None:
        return Chosen(trial=trial, command=_command(experiment, trial))
    return ToTrain(
        recipe=recipe,
        data=data_flags.of_command(_command(experiment, trial)),
        folder=Path(f"{name}-{FOLDER}"),
        origin=origin.of_report(report, document, trial),
    )


def _of_run(run: KeptRun, name: str | None = None) -> ToTrain | Chosen:
    """What a trial of a run has found; the best one if none is named."""
    trial = run.best if name is None else next((trial for trial in run.trials if trial.name == name), None)
    if trial is None:
        nothing = without_best(run.experiment.objective, run.trials)
        what = nothing if name is None else f"the run has no trial {name}"
        raise RunFolderError(f"{run.folder.path}: {what}")
    place = run.folder.trial(trial.name)
    record = _record_in(place)
    recipe = _of_assignments(trial) if record is None else _of_record(record)
    if recipe is None:
        return Chosen(trial=trial, command=_command(run.experiment, trial))
    return ToTrain(
        recipe=recipe,
        data=data_flags.of_run(run, trial, {} if record is None else _json(record)),
        folder=(run.folder.path if name is None else place) / FOLDER,
        origin=origin.of_run(run, trial),
    )


def _of_files(text: str, path: Path) -> ToTrain:
    """What stands in a file, or in the folder of a search that was started by hand."""
    record = _record_in(path)
    if record is None:  # a genotype in any form; or it says what is wrong
        return ToTrain(recipe=recipes.of_genotype(text), folder=(path if path.is_dir() else Path()) / FOLDER)
    return ToTrain(
        recipe=_of_record(record),
        data=data_flags.of_record(_json(record)),
        folder=(path if path.is_dir() else Path()) / FOLDER,
    )


def _of_text(text: str) -> Recipe:
    return recipes.of_genotype(text) if _is_genotype(text) else recipes.of_architecture(text, None)


def _is_text(text: str) -> bool:
    return text.lstrip().startswith(("[", "{")) or _is_genotype(text)


def _is_genotype(text: str) -> bool:
    return START in text


def _of_record(path: Path) -> Recipe:
    """What a trainer has left, whose file holds an architecture with its configuration, or a genotype."""
    found = _json(path)
    if "architecture" not in found:
        return recipes.of_genotype(str(path))
    return recipes.of_architecture(str(path), json.dumps(found.get("nn_config")))


def _of_assignments(trial: Trial) -> Recipe | None:
    """What a trial was assigned, or has printed; None where these are plain parameters."""
    assignments = trial.assignments
    if {"architecture", "nn_config"} <= assignments.keys():
        return recipes.of_architecture(assignments["architecture"], assignments["nn_config"])
    genotype = next((text for text in (trial.observation or {}).values() if START in text), None)
    return None if genotype is None else recipes.of_genotype(genotype)


def _command(experiment: Experiment, trial: Trial) -> str:
    """The command of a trial, as a shell takes it."""
    filled = template.render(experiment.template, trial.name, experiment.namespace, trial.assignments)
    return filled.argv[-1]


def _record_in(path: Path) -> Path | None:
    """The file of a trainer that a file is, or that a folder holds."""
    try:
        found = result_files.find(path, *_RECORDS)
    except NotFound:
        return None
    return found if found.is_file() and _json(found) else None


def _json(path: Path) -> Mapping[str, Any]:
    """An object of JSON; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _run_around(path: Path) -> RunFolder | None:
    """The run whose trial's folder, or artifacts, a folder is; `best` of a run leads to one, too."""
    place = path.resolve()
    if place.name == ARTIFACTS:
        place = place.parent
    run = RunFolder(place.parent.parent)
    return run if place.parent == run.trials and run.database.is_file() else None


def _trial_of(path: Path) -> str:
    return re.sub(rf"/{ARTIFACTS}$", "", str(path.resolve())).rpartition("/")[2]
