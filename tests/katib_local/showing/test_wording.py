"""How counts and times are said."""

from datetime import UTC, datetime, timedelta

import pytest

from katib_local.record.trials import Trial
from katib_local.showing import wording
from katib_suggestion.experiment import TrialCondition


@pytest.mark.parametrize(
    ("seconds", "digits", "said"),
    [
        (0.04, 1, "0.0 s"),
        (2.54, 1, "2.5 s"),
        (2.54, 0, "3 s"),
        (59.4, 1, "59.4 s"),
        (60, 1, "1 min 00 s"),
        (3599, 0, "59 min 59 s"),
        (3600, 1, "1 h 00 min"),
        (90061, 1, "25 h 01 min"),
    ],
)
def test_duration(seconds: float, digits: int, said: str) -> None:
    assert wording.duration(seconds, digits) == said


@pytest.mark.parametrize(("count", "said"), [(0, "no trials"), (1, "1 trial: 1 running"), (2, "2 trials: 2 running")])
def test_counts(count: int, said: str) -> None:
    trial = Trial(name="t", number=1, condition=TrialCondition.RUNNING, assignments={}, labels={})
    assert wording.counts([trial] * count) == said


def test_a_clock_that_was_set_back_makes_no_negative_seconds() -> None:
    now = datetime.now(UTC)
    trial = Trial(
        name="t", number=1, condition=TrialCondition.SUCCEEDED, assignments={}, labels={}, started=now,
        finished=now - timedelta(hours=1),
    )  # fmt: skip
    assert wording.seconds_of(trial) == 0
