"""An experiment as a line of a list, and what of its manifest such a line needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from katib_local.manifest import document, manifest, search_budget
from katib_local.manifest.experiment import Objective
from katib_local.manifest.resources import V1beta1AlgorithmSpec, V1beta1ObjectiveSpec
from katib_local.record import collector, trials
from katib_local.record.trials import Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """What was asked for, as far as a list says it."""

    algorithm: str
    objective: Objective
    max_trials: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """An experiment as a line of a list."""

    key: str
    """What its address names it by."""
    name: str
    state: str
    """In a word."""
    detail: str = ""
    """More of its state, such as why it cannot be read."""
    is_running: bool = False
    algorithm: str = ""
    metric: str = ""
    num_done: int = 0
    max_trials: int | None = None
    best: str = ""
    """The objective of the best trial within the budget; empty where there is none."""
    best_so_far: tuple[float, ...] = ()
    """The best objective after each trial within the budget that has a number for it."""
    started: datetime | None = None


def outline(spec: Mapping[str, Any]) -> Outline:
    """Read an Experiment's spec, as the cluster or a run keeps it: it was checked when it was made.

    Raises:
        InvalidExperiment: its objective or its algorithm is not as Katib writes it.
    """
    objective = manifest.read_objective(
        document.parse(V1beta1ObjectiveSpec, _part(spec, "objective"), "spec.objective")
    )
    algorithm = document.parse(V1beta1AlgorithmSpec, _part(spec, "algorithm"), "spec.algorithm")
    settings = [(setting.name, setting.value) for setting in algorithm.algorithm_settings or []]
    max_trials = spec.get("maxTrialCount")
    return Outline(
        algorithm=algorithm.algorithm_name or "",
        objective=replace(objective, budget=search_budget.of(algorithm.algorithm_name, settings)),
        max_trials=max_trials if isinstance(max_trials, int) else None,
    )


def best(objective: Objective, found: Sequence[Trial]) -> str:
    """The objective of the best trial, by the rule of the runner; empty where there is none."""
    leader = trials.best(objective, found)
    return "" if leader is None else (leader.observation or {}).get(objective.metric, "")


def best_so_far(objective: Objective, found: Sequence[Trial]) -> tuple[float, ...]:
    """The best objective up to each trial that was measured within the budget and has a number for it."""
    so_far: list[float] = []
    for trial in found:
        value = collector.number((trial.observation or {}).get(objective.metric, ""))
        if trial.condition not in trials.MEASURED or not trials.is_within(objective, trial):
            continue
        if value is not None and value == value:
            so_far.append(so_far[-1] if so_far and not objective.is_better(value, so_far[-1]) else value)
    return tuple(so_far)


def _part(spec: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = spec.get(name)
    return dict(part) if isinstance(part, Mapping) else {}
