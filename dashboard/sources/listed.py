"""What a list says of a cluster's Experiments and Trials, read from the objects as the API writes them.

There are thousands of them, and little of each is shown: the models that check all of it would take most of the time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.sources import summary
from dashboard.sources.summary import Outline, Summary
from katib_cluster.custom_objects import EXPERIMENT_LABEL
from katib_local.manifest.experiment import Objective, Strategy
from katib_local.record import collector
from katib_local.record.trials import MEASURED
from katib_local.report.read_cluster import CONDITIONS, first_available
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import TrialCondition

ALGORITHMS = frozenset({"enas", "darts"})

_DONE = ("trialsSucceeded", "trialsFailed", "trialsKilled", "trialsEarlyStopped", "trialMetricsUnavailable")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedTrial:
    """A trial, as far as the line of its experiment needs it."""

    experiment: str
    started: str
    """As the API writes times, which sort as texts."""
    condition: TrialCondition
    metrics: Mapping[str, tuple[str, str, str]]
    """Smallest, largest and latest value of each metric."""

    @property
    def is_running(self) -> bool:
        """Whether it reports anything now."""
        return self.condition is TrialCondition.RUNNING


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedExperiment:
    """An Experiment, as far as its line needs it."""

    name: str
    outline: Outline | None
    """None where it cannot be read."""
    problem: str
    state: str
    num_done: int
    created: str


def experiment(found: Mapping[str, Any]) -> ListedExperiment | None:
    """Read an Experiment; None where it searches no architectures."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    algorithm = (spec.get("algorithm") or {}).get("algorithmName")
    if algorithm not in ALGORITHMS and not spec.get("nasConfig"):
        return None
    outline, problem = None, ""
    try:
        outline = summary.outline(spec)
    except InvalidExperiment as error:
        problem = str(error)
    holding = [str(one.get("type")) for one in status.get("conditions") or [] if one.get("status") == "True"]
    return ListedExperiment(
        name=str(found["metadata"]["name"]),
        outline=outline,
        problem=problem,
        state=holding[-1].lower() if holding else "new",
        num_done=sum(status.get(name) or 0 for name in _DONE),
        created=str(found["metadata"].get("creationTimestamp", "")),
    )


def trial(found: Mapping[str, Any]) -> ListedTrial:
    """Read a Trial."""
    status = found.get("status") or {}
    holding = {one.get("type") for one in status.get("conditions") or [] if one.get("status") == "True"}
    objective = str(((found.get("spec") or {}).get("objective") or {}).get("objectiveMetricName"))
    return ListedTrial(
        experiment=str((found["metadata"].get("labels") or {}).get(EXPERIMENT_LABEL, "")),
        started=str(status.get("startTime") or found["metadata"].get("creationTimestamp", "")),
        condition=next((value for kind, value in CONDITIONS.items() if kind in holding), TrialCondition.UNKNOWN),
        metrics={
            str(one.get("name")): (str(one.get("min", "")), str(one.get("max", "")), str(one.get("latest", "")))
            for one in (status.get("observation") or {}).get("metrics") or []
            if one.get("name") == objective
        },
    )


def summarized(one: ListedExperiment, trials: Iterable[ListedTrial]) -> Summary:
    """Make the line of an Experiment.

    Args:
        one: the Experiment.
        trials: its own, in any order.
    """
    started = datetime.fromisoformat(one.created) if one.created else None
    if one.outline is None:
        return Summary(key=one.name, name=one.name, state="unreadable", detail=one.problem, started=started)
    objective = one.outline.objective
    texts = [
        text
        for trial in sorted(trials, key=lambda trial: trial.started)
        if trial.condition in MEASURED and (text := _value(objective, trial))
    ]
    numbers = [(number, text) for text in texts if (number := collector.number(text)) is not None and number == number]
    sign = -1 if objective.is_better(1, 0) else 1
    best = min(numbers, key=lambda pair: sign * pair[0])[1] if numbers else (texts[-1] if texts else "")
    return Summary(
        key=one.name,
        name=one.name,
        state=one.state,
        is_running=one.state == "running",
        algorithm=one.outline.algorithm,
        metric=objective.metric,
        num_done=one.num_done,
        max_trials=one.outline.max_trials,
        best=best,
        best_so_far=summary.best_so_far(objective, (number for number, _ in numbers)),
        started=started,
    )


def _value(objective: Objective, trial: ListedTrial) -> str:
    smallest, largest, latest = trial.metrics.get(objective.metric, ("", "", ""))
    strategy = objective.strategies[objective.metric]
    extreme = {Strategy.MIN: smallest, Strategy.MAX: largest}.get(strategy)
    return first_available(extreme, latest)
