"""A trial as the runner sees it, and what all trials together say about the experiment."""

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from katib_local.manifest.experiment import Experiment, Objective
from katib_local.record import collector
from katib_local.record.stop_rules import StopRule
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.parsing.budget import WORST_ACCURACY, WORST_LOSS

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

    Of equal ones the earlier is the better; trials whose objective is NaN or empty are left out. Behind those within
    the budget come those of which that is not known, and then those beyond, by how far they are (Deb's rule).
    """
    sign = -1 if objective.is_better(1, 0) else 1
    measured = [
        ((*_beyond(objective, trial), sign * value), trial)
        for trial in trials
        if (value := _objective_value(objective, trial)) is not None
    ]
    texts = [trial for trial in trials if _has_text(objective, trial)]
    return [trial for _, trial in sorted(measured, key=lambda pair: pair[0])] + texts[::-1]


def best(objective: Objective, trials: Sequence[Trial]) -> Trial | None:
    """Find the best trial that was measured and is within the budget; where the objective is a text, the last one."""
    return next((trial for trial in ranked(objective, trials) if is_within(objective, trial)), None)


def without_best(objective: Objective, trials: Sequence[Trial]) -> str:
    """Say why there is no best trial."""
    if objective.budget is not None and ranked(objective, trials):
        return f"no trial is within the budget {objective.budget}"
    return "no trial has been measured"


def is_within(objective: Objective, trial: Trial) -> bool:
    """Tell whether a trial is known to be within the budget; where there is none, each is."""
    return objective.budget is None or objective.budget.is_met(_costs(objective, trial))


def is_untrained(objective: Objective, trial: Trial) -> bool:
    """Tell whether a trial is beyond the budget, and so reports the worst objective that there is."""
    if objective.budget is None or not objective.budget.excess(_costs(objective, trial)):
        return False
    value = _objective_value(objective, trial)
    return value is not None and (value == WORST_ACCURACY or value >= WORST_LOSS)


def _beyond(objective: Objective, trial: Trial) -> tuple[bool, float]:
    if objective.budget is None:
        return False, 0.0
    return not is_within(objective, trial), objective.budget.excess(_costs(objective, trial))


def _costs(objective: Objective, trial: Trial) -> dict[str, float]:
    """What a trial has reported of the costs that are bounded."""
    assert objective.budget is not None
    found = {name: collector.number((trial.observation or {}).get(name, "")) for name in objective.budget.metrics}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


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
