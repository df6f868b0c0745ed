"""What all trials together say: the verdict, the missing ones, the best."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from katib_local.manifest import manifest as manifests
from katib_local.manifest.experiment import Experiment
from katib_local.record import trials
from katib_local.record.trials import Trial, Verdict
from katib_suggestion.experiment import TrialCondition as Condition
from katib_suggestion.parsing.budget import Budget

S, F, M, K, R, C, E = (
    Condition.SUCCEEDED,
    Condition.FAILED,
    Condition.METRICS_UNAVAILABLE,
    Condition.KILLED,
    Condition.RUNNING,
    Condition.CREATED,
    Condition.EARLY_STOPPED,
)


def made(*states: tuple[Condition, str | None] | Condition) -> list[Trial]:
    pairs = [state if isinstance(state, tuple) else (state, "0.5" if state is S else None) for state in states]
    return [
        Trial(
            name=f"t-{number}",
            number=number,
            condition=condition,
            assignments={},
            labels={},
            observation=None if value is None else {"score": value},
        )
        for number, (condition, value) in enumerate(pairs, start=1)
    ]


@pytest.fixture
def experiment(manifest: Callable[..., dict[str, Any]]) -> Experiment:
    return manifests.parse(manifest({"spec.maxTrialCount": 4, "spec.maxFailedTrialCount": 2}))


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ([], None),
        ([S, S, S], None),
        ([S, S, S, R], None),
        ([S, S, S, S], Verdict.MAX_TRIALS_REACHED),
        ([S, F, S, K], Verdict.MAX_TRIALS_REACHED),
        ([S, E, S, E], Verdict.MAX_TRIALS_REACHED),
        ([E, E, E], None),
        ([S, (E, "0.9")], Verdict.GOAL_REACHED),
        ([F, S], None),
        ([F, M], Verdict.TOO_MANY_FAILED),
        ([M, M], Verdict.TOO_MANY_FAILED),
        ([S, S, F, F], Verdict.TOO_MANY_FAILED),
        ([K, K], None),
        ([F, F, (S, "0.9")], Verdict.GOAL_REACHED),
        ([(S, "0.89")], None),
        ([(S, "0.9")], Verdict.GOAL_REACHED),
        ([(F, "0.95")], None),
        ([(S, "nan")], None),
        ([(S, "text")], None),
    ],
)
def test_judge(experiment: Experiment, states: list[Any], verdict: Verdict | None) -> None:
    with_goal = replace(experiment, objective=replace(experiment.objective, goal=0.9))
    assert trials.judge(with_goal, made(*states)) is verdict


def test_a_goal_when_minimizing(manifest: Callable[..., dict[str, Any]]) -> None:
    minimized = manifests.parse(manifest({"spec.objective.type": "minimize", "spec.objective.goal": 0.1}))
    assert trials.judge(minimized, made((S, "0.2"))) is None
    assert trials.judge(minimized, made((S, "0.1"))) is Verdict.GOAL_REACHED


@pytest.mark.parametrize(
    ("limit", "states", "verdict"),
    [(0, [S], None), (0, [F], Verdict.TOO_MANY_FAILED), (None, [F, F, F], None), (1, [M], Verdict.TOO_MANY_FAILED)],
)
def test_failures_reach_their_limit_only_if_there_was_one(
    experiment: Experiment, limit: int | None, states: list[Any], verdict: Verdict | None
) -> None:
    assert trials.judge(replace(experiment, max_failed_trials=limit), made(*states)) is verdict


def test_without_a_number_of_trials_it_goes_on(experiment: Experiment) -> None:
    assert trials.judge(replace(experiment, max_trials=None), made(*[S] * 100)) is None


@pytest.mark.parametrize(
    ("parallel", "maximum", "states", "expected"),
    [
        (2, 4, [], 2),
        (2, 4, [R], 1),
        (2, 4, [R, C], 0),
        (2, 4, [S, R], 1),
        (2, 4, [S, S, S], 1),
        (2, 4, [S, S, S, R], 0),
        (2, 4, [F, M, K], 1),
        (3, None, [S] * 10, 3),
        (1, 4, [R, R, S], 0),
    ],
)
def test_missing(experiment: Experiment, parallel: int, maximum: int | None, states: list[Any], expected: int) -> None:
    changed = replace(experiment, parallel_trials=parallel, max_trials=maximum)
    assert trials.missing(changed, made(*states)) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([(S, "0.1"), (S, "0.3"), (S, "0.2")], "t-2"),
        ([(S, "0.3"), (S, "0.3")], "t-1"),
        ([(S, "0.1"), (F, "0.9"), (R, "0.9")], "t-1"),
        ([(S, "nan"), (S, "0.1")], "t-2"),
        ([(S, ""), (S, "0.1"), (S, "")], "t-2"),
        ([(S, "Genotype(a)"), (S, "Genotype(b)"), F], "t-2"),
        ([F, M], None),
        ([(S, "")], None),
        ([], None),
    ],
)
def test_best(experiment: Experiment, states: list[Any], expected: str | None) -> None:
    found = trials.best(experiment.objective, made(*states))
    assert (found.name if found else None) == expected


def test_ranked(experiment: Experiment) -> None:
    found = made((S, "0.1"), (S, "Genotype(a)"), (S, "nan"), (S, "0.3"), (F, "0.9"), (S, "0.3"), (S, "Genotype(b)"))
    assert [trial.name for trial in trials.ranked(experiment.objective, found)] == ["t-4", "t-6", "t-1", "t-7", "t-2"]


def test_best_when_minimizing(manifest: Callable[..., dict[str, Any]]) -> None:
    objective = manifests.parse(manifest({"spec.objective.type": "minimize"})).objective
    found = trials.best(objective, made((S, "2"), (S, "-1"), (S, "10")))
    assert found is not None
    assert found.name == "t-2"


def costing(*pairs: tuple[str, str | None]) -> list[Trial]:
    """Trials with a score and, but for None, multiply-adds each."""
    return [
        replace(trial, observation={"score": score} | ({} if macs is None else {"MACs": macs}))
        for trial, (score, macs) in zip(made(*[S] * len(pairs)), pairs, strict=True)
    ]


@pytest.mark.parametrize(
    ("pairs", "order", "best"),
    [
        ((("0.5", "90"), ("0.9", "200"), ("0.6", "100"), ("0.7", "101")), ["t-3", "t-1", "t-4", "t-2"], "t-3"),
        ((("0.9", None), ("0.5", "90"), ("0.95", "300")), ["t-2", "t-1", "t-3"], "t-2"),
        ((("0.9", "150"), ("0.95", "120")), ["t-2", "t-1"], None),
    ],
)
def test_the_best_is_within_the_budget(
    manifest: Callable[..., Any], pairs: tuple[tuple[str, str | None], ...], order: list[str], best: str | None
) -> None:
    objective = manifests.parse(manifest({})).objective
    objective = replace(objective, metric="score", budget=Budget.parse("MACs<=100", "here"))
    found = costing(*pairs)
    assert [trial.name for trial in trials.ranked(objective, found)] == order
    leader = trials.best(objective, found)
    assert (leader and leader.name) == best


def test_why_there_is_no_best(manifest: Callable[..., Any]) -> None:
    objective = manifests.parse(manifest({})).objective
    bounded = replace(objective, metric="score", budget=Budget.parse("MACs<=100", "here"))
    assert trials.without_best(bounded, costing(("0.9", "150"))) == "no trial is within the budget MACs<=100"
    assert trials.without_best(bounded, []) == trials.without_best(objective, []) == "no trial has been measured"
