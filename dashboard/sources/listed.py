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
from katib_local.record.trials import Trial
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
    return ListedTrial(
        experiment=str((found["metadata"].get("labels") or {}).get(EXPERIMENT_LABEL, "")),
        started=str(status.get("startTime") or found["metadata"].get("creationTimestamp", "")),
        condition=next((value for kind, value in CONDITIONS.items() if kind in holding), TrialCondition.UNKNOWN),
        metrics={
            str(one.get("name")): (str(one.get("min", "")), str(one.get("max", "")), str(one.get("latest", "")))
            for one in (status.get("observation") or {}).get("metrics") or []
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
    in_order = [_measured(objective, trial) for trial in sorted(trials, key=lambda trial: trial.started)]
    return Summary(
        key=one.name,
        name=one.name,
        state=one.state,
        is_running=one.state == "running",
        algorithm=one.outline.algorithm,
        metric=objective.metric,
        num_done=one.num_done,
        max_trials=one.outline.max_trials,
        best=summary.best(objective, in_order),
        best_so_far=summary.best_so_far(objective, in_order),
        started=started,
    )


def _measured(objective: Objective, trial: ListedTrial) -> Trial:
    """What the rule of the runner needs of a trial."""
    observation = {name: _value(objective, name, trial) for name in trial.metrics}
    return Trial(name="", number=0, condition=trial.condition, assignments={}, labels={}, observation=observation)


def _value(objective: Objective, metric: str, trial: ListedTrial) -> str:
    smallest, largest, latest = trial.metrics[metric]
    strategy = objective.strategies.get(metric, Strategy.LATEST)
    extreme = {Strategy.MIN: smallest, Strategy.MAX: largest}.get(strategy)
    return first_available(extreme, latest)
