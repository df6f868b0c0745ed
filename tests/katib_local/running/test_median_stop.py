"""What new trials are compared with."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from katib_local.errors import SuggestionError
from katib_local.manifest.experiment import EarlyStopping, Objective, Strategy
from katib_local.record.collector import NO_TIME, Point
from katib_local.record.stop_rules import Comparison, StopRule
from katib_local.record.trials import Trial
from katib_local.running.median_stop import MedianStop
from katib_suggestion.experiment import Direction, TrialCondition

OBJECTIVE = Objective(
    metric="score", direction=Direction.MAXIMIZE, goal=None, additional_metrics=(), strategies={"score": Strategy.MAX}
)
SETTINGS = EarlyStopping(settings=(), min_trials_required=2, start_step=3)
Reported = dict[str, Sequence[Point]]


def point(value: object, second: int | None = None, metric: str = "score") -> Point:
    time = NO_TIME if second is None else datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC)
    return Point(metric=metric, value=str(value), time=time)


def trial(name: str, condition: TrialCondition = TrialCondition.SUCCEEDED) -> Trial:
    return Trial(name=name, number=1, condition=condition, assignments={}, labels={})


def rules(
    reported: Reported, trials: Sequence[Trial] | None = None, objective: Objective = OBJECTIVE
) -> tuple[StopRule, ...]:
    given = [trial(name) for name in reported] if trials is None else trials
    return MedianStop(SETTINGS, objective, reported.__getitem__).rules(given)


@pytest.mark.fault(28)
def test_the_threshold_is_the_mean_of_the_means_of_first_values() -> None:
    reported: Reported = {
        "a": [point(0), point(0.3), point(0.6), point(9)],
        "b": [point(1), point(5, metric="loss")],
        "c": [point(2), point(2), point(2)],
    }
    # The median would be 1.
    expected = StopRule(metric="score", value=(0.3 + 1 + 2) / 3, comparison=Comparison.LESS, start_step=3)
    assert rules(reported) == (expected,)


def test_first_is_by_time() -> None:
    late_first = [point(9, 50), point(1, 10), point(2, 20), point(3, 30)]
    (rule,) = rules({"a": late_first, "b": [point(2, 1)]})
    assert rule.value == 2


def test_a_minimized_objective_is_stopped_above() -> None:
    (rule,) = rules({"a": [point(1)], "b": [point(3)]}, objective=replace(OBJECTIVE, direction=Direction.MINIMIZE))
    assert (rule.comparison, rule.value) == (Comparison.GREATER, 2)


@pytest.mark.parametrize(
    "condition", [condition for condition in TrialCondition if condition is not TrialCondition.SUCCEEDED]
)
def test_only_trials_that_have_succeeded_count(condition: TrialCondition) -> None:
    reported: Reported = {"a": [point(1)], "b": [point(3)]}
    assert rules(reported, [trial("a"), trial("b", condition)]) == ()


def test_the_mean_follows_the_trials() -> None:
    reported: Reported = {"a": [point(1)], "b": [point(3)], "c": [point(8)]}
    median_stop = MedianStop(SETTINGS, OBJECTIVE, reported.__getitem__)
    assert [rule.value for rule in median_stop.rules([trial("a"), trial("b")])] == [2]
    assert [rule.value for rule in median_stop.rules([trial("a"), trial("b"), trial("c")])] == [4]


def test_a_value_that_is_no_number_ends_the_run() -> None:
    with pytest.raises(SuggestionError, match="b reported '' as score"):
        rules({"a": [point(1)], "b": [point("")]})
