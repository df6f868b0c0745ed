"""What is left of a run to paste."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from katib_local.manifest import manifest as manifests
from katib_local.manifest.experiment import Experiment
from katib_local.record.trials import Trial, Verdict
from katib_local.showing import summary
from katib_suggestion.experiment import TrialCondition

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
GENOTYPE = "Genotype(normal=[[('max_pooling_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[])"

SUCCEEDED = Trial(
    name="mini-0001",
    number=1,
    condition=TrialCondition.SUCCEEDED,
    assignments={"architecture": "[[3], [1, 0]]", "nn_config": "{}"},
    labels={},
    started=NOW,
    finished=NOW + timedelta(seconds=2.5),
    exit_code=0,
    observation={"score": "0.5", "Best-Genotype": GENOTYPE},
)
FAILED = replace(
    SUCCEEDED,
    name="mini-0002",
    condition=TrialCondition.FAILED,
    finished=NOW + timedelta(seconds=1),
    reason="exit code 3",
    observation=None,
)


@pytest.fixture
def experiment(manifest: Callable[..., dict[str, Any]]) -> Experiment:
    return manifests.parse(manifest({"spec.objective.additionalMetricNames": ["Best-Genotype"]}))


def test_the_best_trial_and_what_failed(experiment: Experiment) -> None:
    trials = [SUCCEEDED, FAILED]
    assert list(summary.lines(experiment, trials, Verdict.GOAL_REACHED, Path("/runs/a b"), None)) == [
        "mini: the goal is reached (2 trials: 1 succeeded, 1 failed)",
        "Best trial: mini-0001",
        "",
        "- score: 0.5",
        f"- Best-Genotype: {GENOTYPE}",
        "- architecture: [[3], [1, 0]]",
        "- files: /runs/a b/trials/mini-0001",
        "",
        "- mini-0002: failed after 1.0 s: exit code 3; its output: /runs/a b/trials/mini-0002/output.log",
        "",
    ]


def test_the_five_best_of_many(experiment: Experiment) -> None:
    scores = ["0.1", "0.4", "0.2", "0.6", "0.3", "0.5"]
    trials = [
        replace(SUCCEEDED, name=f"mini-{number:04}", observation={"score": score, "Best-Genotype": GENOTYPE})
        for number, score in enumerate(scores, start=1)
    ]
    lines = list(summary.lines(experiment, trials, Verdict.MAX_TRIALS_REACHED, Path("/runs/a"), None))
    assert lines[-8:] == [
        "| best trials | score |  time |",
        "|-------------|-------|------:|",
        "| mini-0004   | 0.6   | 2.5 s |",
        "| mini-0006   | 0.5   | 2.5 s |",
        "| mini-0002   | 0.4   | 2.5 s |",
        "| mini-0005   | 0.3   | 2.5 s |",
        "| mini-0003   | 0.2   | 2.5 s |",
        "",
    ]


@pytest.mark.parametrize(
    ("budget", "head", "num_rows"),
    [
        ("MACs<=100", "Best trial within the budget MACs<=100: mini-0003", 2),
        ("MACs<=10", "No trial is within the budget MACs<=10; the nearest is mini-0001: MACs 80.", 0),
    ],
)
def test_what_is_beyond_the_budget_is_none_of_the_best(
    manifest: Callable[..., dict[str, Any]], budget: str, head: str, num_rows: int
) -> None:
    settings = [{"name": "budget", "value": budget}]
    changes = {"spec.objective.additionalMetricNames": ["MACs"], "spec.algorithm.algorithmSettings": settings}
    experiment = manifests.parse(manifest({"spec.algorithm.algorithmName": "enas", **changes}))
    trials = [
        replace(SUCCEEDED, name=f"mini-{number:04}", observation={"score": score, "MACs": macs})
        for number, (score, macs) in enumerate((("0.1", "80"), ("0.4", "200"), ("0.2", "90"), ("0", "300")), start=1)
    ]
    lines = list(summary.lines(experiment, trials, Verdict.MAX_TRIALS_REACHED, Path("/runs/a"), None))
    assert lines[1] == head
    assert [line[2:11] for line in lines if line.startswith("| mini")] == ["mini-0003", "mini-0001"][:num_rows]


def test_many_failures_are_counted(experiment: Experiment) -> None:
    trials = [replace(FAILED, name=f"mini-{number:04}") for number in range(1, 8)]
    lines = list(summary.lines(experiment, trials, Verdict.TOO_MANY_FAILED, Path("/runs/a"), None))
    said = "- mini-0004: failed after 1.0 s: exit code 3; its output: /runs/a/trials/mini-0004/output.log"
    assert lines[-4:] == [said, lines[-3], "- and 2 others", ""]


def test_what_was_interrupted_will_run_again(experiment: Experiment) -> None:
    trials = [SUCCEEDED, replace(FAILED, condition=TrialCondition.CREATED, reason="", started=None, finished=None)]
    first, *_ = summary.lines(experiment, trials, None, Path("/runs/a"), None)
    assert first == "mini: interrupted (2 trials: 1 will run again, 1 succeeded)"


def test_a_search_that_has_learned_nothing_says_so(experiment: Experiment, tmp_path: Path) -> None:
    artifacts = tmp_path / "trials/mini-0001/artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "genotype.json").write_text('{"remarks": ["the alphas are flat; more epochs help"]}')
    lines = list(summary.lines(experiment, [SUCCEEDED], Verdict.GOAL_REACHED, tmp_path, None))
    assert "- beware: the alphas are flat; more epochs help" in lines


def test_a_result_without_a_best_trial(experiment: Experiment) -> None:
    assert list(summary.lines(experiment, [FAILED], None, Path("/runs/a"), 40))[:3] == [
        "mini: interrupted (1 trial: 1 failed)",
        "No trial has succeeded.",
        "Files: /runs/a",
    ]


@pytest.mark.parametrize("value", ["nan", ""])
def test_a_result_without_a_usable_objective(experiment: Experiment, value: str) -> None:
    trials = [FAILED, replace(SUCCEEDED, observation={"score": value, "Best-Genotype": GENOTYPE})]
    assert list(summary.lines(experiment, trials, Verdict.MAX_TRIALS_REACHED, Path("/runs/a"), None))[:3] == [
        "mini: all trials are completed (2 trials: 1 succeeded, 1 failed)",
        "No trial has a usable score: of those that have succeeded it is NaN or empty.",
        "Files: /runs/a",
    ]


def test_plain_parameters_have_columns_of_their_own(manifest: Callable[..., dict[str, Any]]) -> None:
    block = {"name": "block", "parameterType": "categorical", "feasibleSpace": {"list": ["plain", "residual"]}}
    experiment = manifests.parse(manifest({"spec.nasConfig": None, "spec.parameters": [block]}))
    trials = [
        replace(SUCCEEDED, name=f"mini-000{number}", assignments={"block": value}, observation={"score": score})
        for number, value, score in ((1, "plain", "0.5"), (2, "residual", "0.75"))
    ]
    lines = list(summary.lines(experiment, trials, Verdict.MAX_TRIALS_REACHED, Path("/runs/a"), None))
    header, _, first, second = lines[-5:-1]
    assert header.split() == ["|", "best", "trials", "|", "score", "|", "block", "|", "time", "|"]
    assert first.split() == ["|", "mini-0002", "|", "0.75", "|", "residual", "|", "2.5", "s", "|"]
    assert second.split()[5] == "plain"
    assert "- block: residual" in lines
    assert "block" not in "".join(list(summary.lines(experiment, trials, None, Path("/runs/a"), 30))[-5:])
