"""What a user sees, on a terminal and in a file."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from katib_local import display
from katib_local import manifest as manifests
from katib_local.display import LiveTable, PlainLines
from katib_local.experiment import Experiment
from katib_local.trials import Trial, Verdict
from katib_suggestion.experiment import TrialCondition

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
GENOTYPE = "Genotype(normal=[[('max_pooling_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[])"

RUNNING = Trial(
    name="mini-0001",
    number=1,
    condition=TrialCondition.RUNNING,
    assignments={"architecture": "[[3], [1, 0]]", "nn_config": "{}"},
    labels={},
    started=NOW,
)
SUCCEEDED = replace(
    RUNNING,
    condition=TrialCondition.SUCCEEDED,
    finished=NOW + timedelta(seconds=2.5),
    exit_code=0,
    observation={"score": "0.5", "Best-Genotype": GENOTYPE},
)
FAILED = replace(
    RUNNING,
    name="mini-0002",
    condition=TrialCondition.FAILED,
    finished=NOW + timedelta(seconds=1),
    reason="exit code 3",
)


@pytest.fixture
def experiment(manifest: Callable[..., dict[str, Any]]) -> Experiment:
    return manifests.parse(manifest({"spec.objective.additionalMetricNames": ["Best-Genotype"]}))


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def text(written: Console) -> str:
    assert isinstance(written.file, io.StringIO)
    return written.file.getvalue()


def test_plain_lines_tell_each_change_once(experiment: Experiment) -> None:
    written = console()
    with PlainLines(experiment.objective, written) as shown:
        shown.show([replace(RUNNING, condition=TrialCondition.CREATED)])
        shown.show([RUNNING])
        shown.show([RUNNING])
        shown.show([SUCCEEDED, FAILED])
    lines = [line.partition(" ")[2] for line in text(written).splitlines()]
    assert lines == [
        "mini-0001 running",
        "mini-0001 succeeded after 2.5 s: score=0.5 Best-Genotype=Genotype(normal=[[('max_pooling_3x3',0)…",
        "mini-0002 failed after 1.0 s: exit code 3",
    ]


def test_a_live_table(experiment: Experiment) -> None:
    written = console(terminal=True)
    with LiveTable(experiment, written) as shown:
        shown.show([SUCCEEDED, FAILED, replace(RUNNING, name="mini-0003", observation={"score": "0.25"})])
    last = text(written)
    for words in ("mini-0001", "succeeded", "0.5", "mini-0003", "0.25", "3 trials: 1 running, 1 succeeded, 1 failed"):
        assert words in last


def test_the_display_suits_the_console(experiment: Experiment) -> None:
    assert isinstance(display.make(experiment, console()), PlainLines)
    assert isinstance(display.make(experiment, console(terminal=True)), LiveTable)


def test_the_result_is_written_for_copying(experiment: Experiment) -> None:
    written = console()
    display.show_result(experiment, [SUCCEEDED, FAILED], Verdict.GOAL_REACHED, Path("/runs/a b"), written)
    assert text(written) == (
        "\nmini: the goal is reached (2 trials: 1 succeeded, 1 failed)\n"
        "Best trial: mini-0001\n"
        "  score: 0.5\n"
        f"  Best-Genotype: {GENOTYPE}\n"
        "  architecture: [[3], [1, 0]]\n"
        "  files: /runs/a b/trials/mini-0001\n"
    )


def test_a_result_without_a_best_trial(experiment: Experiment) -> None:
    written = console()
    display.show_result(experiment, [FAILED], None, Path("/runs/a"), written)
    assert text(written) == (
        "\nmini: interrupted; --resume goes on with it (1 trials: 1 failed)\nNo trial has succeeded.\nFiles: /runs/a\n"
    )


@pytest.mark.parametrize("value", ["nan", ""])
def test_a_result_without_a_usable_objective(experiment: Experiment, value: str) -> None:
    written = console()
    trials = [FAILED, replace(SUCCEEDED, observation={"score": value, "Best-Genotype": GENOTYPE})]
    display.show_result(experiment, trials, Verdict.MAX_TRIALS_REACHED, Path("/runs/a"), written)
    assert text(written).splitlines()[1:] == [
        "mini: all trials are completed (2 trials: 1 succeeded, 1 failed)",
        "No trial has a usable score: of those that have succeeded it is NaN or empty.",
        "Files: /runs/a",
    ]
