"""An experiment as a line of a list, and what of its manifest such a line needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from katib_local.manifest import document, manifest
from katib_local.manifest.experiment import Objective
from katib_local.manifest.resources import V1beta1ObjectiveSpec


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
    """The objective of the best trial; empty where there is none."""
    best_so_far: tuple[float, ...] = ()
    """The best objective after each trial that has a number for it."""
    started: datetime | None = None


def outline(spec: Mapping[str, Any]) -> Outline:
    """Read an Experiment's spec, as the cluster or a run keeps it: it was checked when it was made.

    Raises:
        InvalidExperiment: its objective is not as Katib writes it.
    """
    objective = spec.get("objective")
    algorithm = spec.get("algorithm")
    max_trials = spec.get("maxTrialCount")
    return Outline(
        algorithm=str(algorithm.get("algorithmName", "")) if isinstance(algorithm, Mapping) else "",
        objective=manifest.read_objective(
            document.parse(V1beta1ObjectiveSpec, objective if isinstance(objective, Mapping) else {}, "spec.objective")
        ),
        max_trials=max_trials if isinstance(max_trials, int) else None,
    )


def best_so_far(objective: Objective, values: Iterable[float]) -> tuple[float, ...]:
    """The best of some values up to each of them; NaN is none."""
    found: list[float] = []
    for value in values:
        if value == value:
            found.append(found[-1] if found and not objective.is_better(value, found[-1]) else value)
    return tuple(found)
