"""Where a network comes from: what is kept, beside a training of it, of the search that found it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from katib_local.errors import UsageError
from katib_local.manifest.experiment import Objective
from katib_local.record.kept_runs import KeptRun
from katib_local.record.trials import Trial
from katib_local.report.model import Report
from katib_suggestion.files import durable_files

FILE = "search.json"
"""In the output folder of the training; its model card tells of it."""

Origin = Mapping[str, Any]


def of_run(run: KeptRun, trial: Trial) -> Origin:
    """Tell of a run on this machine."""
    return {
        "experiment": run.experiment.name,
        "source": f"run in {run.folder.path}",
        "started": run.started.isoformat(),
        "command": run.command,
        "seed": run.options.seed,
        "versions": dict(run.versions),
        **_found(run.experiment.algorithm, run.experiment.objective, run.trials, trial),
        "manifest": run.document,
    }


def of_report(report: Report, document: Mapping[str, Any], trial: Trial) -> Origin:
    """Tell of a cluster's Experiment."""
    started = report.started
    return {
        "experiment": report.name,
        "source": report.source,
        "started": None if started is None else started.isoformat(),
        "command": report.command,
        "seed": None,
        "versions": dict(report.versions),
        **_found(report.algorithm, report.objective, [item.trial for item in report.trials], trial),
        "manifest": dict(document),
    }


def write(folder: Path, origin: Origin, *, is_fresh: bool) -> None:
    """Keep where the network of a training comes from.

    Args:
        folder: the training's.
        origin: what to keep; nothing is written where that is empty.
        is_fresh: whether the training begins anew, whatever is in its folder.

    Raises:
        UsageError: the folder holds the training of what another trial found.
        OSError: the machine refuses.
    """
    before = read(folder)
    same = ("experiment", "trial")
    if before and not is_fresh and any(before.get(name) != origin.get(name) for name in same):
        trials = " and ".join(str(one.get("trial")) for one in (before, origin))
        raise UsageError(
            f"--output-dir: {folder} holds the training of another trial ({trials}); take another folder, or let "
            "--fresh begin anew in this one"
        )
    if not origin:
        return
    text = json.dumps(origin, indent=2, ensure_ascii=False, default=str) + "\n"
    durable_files.write(folder / FILE, text.encode())


def read(folder: Path) -> Origin:
    """Return what `write` has kept; empty without."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _found(algorithm: str, objective: Objective, trials: object, trial: Trial) -> dict[str, Any]:
    assert isinstance(trials, list | tuple)
    return {
        "algorithm": algorithm,
        "objective": f"{objective.direction.value} {objective.metric}",
        "num_trials": len(trials),
        "trial": trial.name,
        "metrics": dict(trial.observation or {}),
        "assignments": dict(trial.assignments),
    }
