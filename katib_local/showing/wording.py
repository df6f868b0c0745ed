"""How counts and times of a run are said."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from katib_local.record.trials import Trial
from katib_suggestion.experiment import TrialCondition


def counts(trials: Sequence[Trial], *, is_interrupted: bool = False) -> str:
    """Say how many trials there are, and how many of each condition."""
    found = Counter(trial.condition for trial in trials)
    each = ", ".join(
        f"{found[condition]} {in_words(condition, is_interrupted=is_interrupted)}"
        for condition in TrialCondition
        if found[condition]
    )
    return f"{number_of(len(trials), 'trial')}: {each}" if trials else "no trials"


def in_words(condition: TrialCondition, *, is_interrupted: bool = False) -> str:
    """Say a trial's condition.

    Args:
        condition: of the trial.
        is_interrupted: whether its run is; what has not ended then runs once the run goes on.
    """
    return "will run again" if is_interrupted and condition is TrialCondition.CREATED else condition.value


def number_of(count: int, what: str) -> str:
    """Say a number of things, which are named in the singular."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float, digits: int = 1) -> str:
    """Say how long something took, with so many digits of a second where it was short."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.{digits}f} s"


def seconds_of(trial: Trial) -> float:
    """How long a trial has taken, until now where it has not ended; 0 where it has not started."""
    if trial.started is None:
        return 0.0
    # The clock may have been set back since it started.
    return max(0.0, ((trial.finished or datetime.now(UTC)) - trial.started).total_seconds())


def outcome(trial: Trial) -> str:
    """Say how a trial stands, with how long it took and why it failed."""
    seconds = "" if trial.finished is None else f" after {seconds_of(trial):.1f} s"
    return f"{trial.condition.value}{seconds}" + (f": {trial.reason}" if trial.reason else "")
