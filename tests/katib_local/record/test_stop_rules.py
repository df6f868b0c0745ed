"""Rules applied to what a trial reports, as Katib's collector applies them."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib_local.manifest.experiment import Objective, Strategy
from katib_local.record import stop_rules
from katib_local.record.stop_rules import Comparison, Comparisons, StopRule, UnusableValue
from katib_suggestion.experiment import Direction

OBJECTIVE = Objective(
    metric="score",
    direction=Direction.MAXIMIZE,
    goal=None,
    additional_metrics=("loss",),
    strategies={"score": Strategy.MAX, "loss": Strategy.MAX},
)
MINIMIZED = replace(OBJECTIVE, direction=Direction.MINIMIZE)
RULE = StopRule(metric="score", value=0.5, comparison=Comparison.LESS, start_step=3)


def stopped_at(objective: Objective, rules: list[StopRule], reported: list[tuple[str, str]]) -> int | None:
    """After how many values a trial is to be stopped; None for never."""
    comparisons = Comparisons(rules, objective)
    for number, (metric, value) in enumerate(reported, start=1):
        comparisons.take(metric, value)
        if not comparisons.metrics:
            return number
    return None


def scores(*values: str) -> list[tuple[str, str]]:
    return [("score", value) for value in values]


@pytest.mark.parametrize(
    ("reported", "stopped"),
    [
        (scores("0.1", "0.2", "0.3", "0.4"), 3),
        (scores("0.1", "0.2"), None),
        # The best so far is compared, not the last.
        (scores("0.6", "0.2", "0.1"), None),
        (scores("0.5", "0.2", "0.1"), None),
        (scores("0.1", "0.2", "0.5"), None),
        # Katib's collector keeps a first NaN for the best for good.
        (scores("nan", "0.1", "0.1", "0.1"), None),
        (scores("0.1", "nan", "0.1"), 3),
        ([("score", "0.1"), ("loss", "9"), ("score", "0.1"), ("other", "1"), ("score", "0.1")], 5),
    ],
)
def test_a_maximized_objective(reported: list[tuple[str, str]], stopped: int | None) -> None:
    assert stopped_at(OBJECTIVE, [RULE], reported) == stopped


def test_a_minimized_objective() -> None:
    rule = replace(RULE, comparison=Comparison.GREATER)
    assert stopped_at(MINIMIZED, [rule], scores("0.9", "0.8", "0.7")) == 3
    assert stopped_at(MINIMIZED, [rule], scores("0.9", "0.4", "0.7")) is None


def test_every_rule_has_to_hold() -> None:
    other = StopRule(metric="loss", value=2, comparison=Comparison.GREATER, start_step=1)
    both = [RULE, other]
    reported = [*scores("0.1", "0.1", "0.1"), ("loss", "1"), ("loss", "3")]
    assert stopped_at(OBJECTIVE, both, reported[:3]) is None
    assert stopped_at(OBJECTIVE, both, reported) == 5


@pytest.mark.parametrize("metric", ["score", "loss", "other"])
@pytest.mark.parametrize("text", ["", "high", "1e999"])
def test_what_is_no_number_is_refused(metric: str, text: str) -> None:
    with pytest.raises(UnusableValue, match=metric):
        Comparisons([RULE], OBJECTIVE).take(metric, text)


@given(
    values=st.lists(st.floats(-1, 1) | st.just(math.nan), max_size=12),
    start_step=st.integers(1, 6),
    threshold=st.floats(-1, 1),
    is_maximized=st.booleans(),
)
def test_katibs_collector_compares_once_and_we_as_well(
    values: list[float], start_step: int, threshold: float, is_maximized: bool
) -> None:
    """It counts the steps down to 0 and compares there alone; the best so far never gets worse again."""
    best: float | None = None
    expected = None
    for number, value in enumerate(values, start=1):
        if best is None or (value > best if is_maximized else value < best):
            best = value
        if number == start_step and (best < threshold if is_maximized else best > threshold):
            expected = number
    rule = StopRule(
        metric="score",
        value=threshold,
        comparison=Comparison.LESS if is_maximized else Comparison.GREATER,
        start_step=start_step,
    )
    objective = OBJECTIVE if is_maximized else MINIMIZED
    assert stopped_at(objective, [rule], [("score", repr(value)) for value in values]) == expected


def test_rules_come_back_from_their_text() -> None:
    rules = (RULE, replace(RULE, metric="löss", comparison=Comparison.GREATER))
    assert stop_rules.from_json(stop_rules.to_json(rules)) == rules
    assert stop_rules.from_json("[]") == ()
    assert str(RULE) == "its score was still less than 0.5 after 3 values"
