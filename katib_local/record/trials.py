"""A trial as the runner sees it, and what all trials together say about the experiment."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from katib_local.manifest.experiment import Experiment, Objective
from katib_local.record import collector
from katib_local.record.stop_rules import StopRule
from katib_suggestion.experiment import TrialCondition

COMPLETED = frozenset(
    {
        TrialCondition.SUCCEEDED,
        TrialCondition.FAILED,
        TrialCondition.KILLED,
        TrialCondition.METRICS_UNAVAILABLE,
        TrialCondition.EARLY_STOPPED,
    }
)
"""Conditions that do not change any more and count towards maxTrialCount."""

FAILURES = frozenset({TrialCondition.FAILED, TrialCondition.METRICS_UNAVAILABLE})
"""Conditions that count towards maxFailedTrialCount."""

MEASURED = frozenset({TrialCondition.SUCCEEDED, TrialCondition.EARLY_STOPPED})
"""Conditions of trials whose metrics count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One trial of an experiment."""

    name: str
    number: int
    """Counts from 1 in the order of the suggestions."""
    condition: TrialCondition
    assignments: Mapping[str, str]
    """Word for word as the service returned them."""
    labels: Mapping[str, str]
    rules: tuple[StopRule, ...] = ()
    """By which it is stopped early; none where it is not."""
    reason: str = ""
    """Why it failed, was stopped, or has no metrics; or what is strange about those that it has."""
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
    observation: Mapping[str, str] | None = None
    """One reduced value a metric; None where the objective's metric was not reported."""


class Verdict(enum.Enum):
    """How an experiment ended."""

    GOAL_REACHED = "the goal is reached"
    MAX_TRIALS_REACHED = "all trials are completed"
    TOO_MANY_FAILED = "maxFailedTrialCount is reached"


def judge(experiment: Experiment, trials: Iterable[Trial]) -> Verdict | None:
    """Decide whether an experiment is over, in the order in which Katib asks; None where it goes on."""
    trials = list(trials)
    values = [_objective_value(experiment.objective, trial) for trial in trials]
    if any(value is not None and experiment.objective.meets_goal(value) for value in values):
        return Verdict.GOAL_REACHED
    failures = sum(trial.condition in FAILURES for trial in trials)
    limit = experiment.max_failed_trials
    if limit is not None and failures > 0 and failures >= limit:
        return Verdict.TOO_MANY_FAILED
    completed = sum(trial.condition in COMPLETED for trial in trials)
    if experiment.max_trials is not None and completed >= experiment.max_trials:
        return Verdict.MAX_TRIALS_REACHED
    return None


def missing(experiment: Experiment, trials: Iterable[Trial]) -> int:
    """How many trials Katib would ask for now, to keep parallelTrialCount of them going."""
    trials = list(trials)
    completed = sum(trial.condition in COMPLETED for trial in trials)
    wanted = experiment.parallel_trials
    if experiment.max_trials is not None:
        wanted = min(wanted, experiment.max_trials - completed)
    return max(0, wanted - (len(trials) - completed))


def ranked(objective: Objective, trials: Sequence[Trial]) -> list[Trial]:
    """Order the trials that were measured, the best first, then those whose objective is a text, the latest first.

    Of equal ones the earlier is the better; trials whose objective is NaN or empty are left out.
    """
    sign = -1 if objective.is_better(1, 0) else 1
    measured = [(sign * value, trial) for trial in trials if (value := _objective_value(objective, trial)) is not None]
    texts = [trial for trial in trials if _has_text(objective, trial)]
    return [trial for _, trial in sorted(measured, key=lambda pair: pair[0])] + texts[::-1]


def best(objective: Objective, trials: Sequence[Trial]) -> Trial | None:
    """Find the best trial that was measured; where the objective is a text, the last of them."""
    return next(iter(ranked(objective, trials)), None)


def _objective_value(objective: Objective, trial: Trial) -> float | None:
    """The objective of a trial that was measured; None for a text and for NaN, which is better than nothing."""
    if trial.condition not in MEASURED or trial.observation is None:
        return None
    value = collector.number(trial.observation.get(objective.metric, ""))
    return value if value == value else None


def _has_text(objective: Objective, trial: Trial) -> bool:
    if trial.condition not in MEASURED or trial.observation is None:
        return False
    text = trial.observation.get(objective.metric, "")
    return bool(text) and collector.number(text) is None
