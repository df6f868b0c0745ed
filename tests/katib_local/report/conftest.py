"""An experiment to report on, and a browser's view of the page."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from katib_local.manifest.experiment import Objective, ParameterSpec, Strategy
from katib_local.record.trials import Trial
from katib_local.report import page
from katib_local.report.model import AlphaHistory, ControllerStep, Learned, Report, TrialReport
from katib_suggestion.experiment import Direction, TrialCondition

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Make:
    """Builders of what a report shows."""

    genotype = (
        "Genotype(normal=[[('max_pooling_3x3',0),('skip_connection',1)],[('separable_convolution_3x3',2),"
        "('max_pooling_3x3',0)]],normal_concat=range(2,4),reduce=[],reduce_concat=range(2,4))"
    )
    controller = (
        ControllerStep(num_trials=2, entropy=9.5, skip_rate=0.5),
        ControllerStep(num_trials=4, entropy=9.0, skip_rate=0.25),
    )
    learned = (
        Learned(name="layer 2: operation", kind="operation", importance=0.5, expected={"<pool>": 0.25, "conv": 0.75}),
        Learned(name="layer 1: operation", kind="operation", importance=0.25, expected={"<pool>": 0.5, "conv": 0.5}),
        Learned(name="layer 2: join 0", kind="join", importance=0.0, expected={"0": 0.5}),
    )
    alphas = AlphaHistory(
        cell="normal",
        epochs=(1, 2, 3),
        choices=("0 → 2: max_pooling_3x3", "0 → 2: skip_connection"),
        weights=((0.5, 0.4, 0.25), (0.5, 0.6, 0.75)),
    )

    @staticmethod
    def trial(number: int, accuracy: str | None, **changes: Any) -> TrialReport:
        """A trial that took as many seconds as its number; without an accuracy it has failed."""
        has_failed = accuracy is None
        trial = Trial(
            name=f"trial-{number:04}",
            number=number,
            condition=TrialCondition.FAILED if has_failed else TrialCondition.SUCCEEDED,
            assignments={"value": f"v{number}"},
            labels={},
            reason="exit code 7" if has_failed else "",
            started=START,
            finished=START + timedelta(seconds=number),
            observation=None if accuracy is None else {"accuracy": accuracy, "loss": f"{number}.5"},
        )
        curves = {} if accuracy is None else {"accuracy": (number / 8, float(accuracy))}
        return TrialReport(trial=replace(trial, **changes), curves=curves)

    @staticmethod
    def plain_report(**changes: Any) -> Report:
        """Four trials over plain parameters of each type, and one that failed; the third is the best."""
        assignments = (
            {"lr": "0.001", "layers": "2", "width": "64", "block": "dense"},
            {"lr": "0.1", "layers": "4", "width": "16", "block": "plain"},
            {"lr": "0.01", "layers": "4", "width": "32", "block": "plain"},
            {"lr": "0.01", "layers": "3", "width": "16", "block": "residual"},
            {"lr": "0.1", "layers": "2", "width": "16", "block": "dense"},
        )
        accuracies = ("0.5", "0.25", "0.75", "0.5", None)
        trials = [
            Make.trial(number, accuracy, assignments=values)
            for number, (accuracy, values) in enumerate(zip(accuracies, assignments, strict=True), start=1)
        ]
        space = {"minimum": "", "maximum": "", "step": "", "values": (), "distribution": "uniform"}
        parameters = (
            {"name": "lr", "type": "double", "minimum": "0.001", "maximum": "0.1", "distribution": "logUniform"},
            {"name": "layers", "type": "int", "minimum": "2", "maximum": "4"},
            {"name": "width", "type": "discrete", "values": ("64", "16", "32")},
            {"name": "block", "type": "categorical", "values": ("plain", "residual", "dense")},
        )
        made = tuple(ParameterSpec(**(space | one)) for one in parameters)
        return Make.report(**({"trials": tuple(trials), "parameters": made} | changes))

    @staticmethod
    def report(**changes: Any) -> Report:
        """Four trials, of which the third is the best and the last has failed."""
        objective = Objective(
            metric="accuracy",
            direction=Direction.MAXIMIZE,
            goal=0.95,
            additional_metrics=("loss",),
            strategies={"accuracy": Strategy.MAX, "loss": Strategy.MIN},
        )
        accuracies = ("0.5", "0.25", "0.75", None)
        report = Report(
            name="mini",
            namespace="default",
            source="run in /runs/mini",
            state="all trials are completed",
            started=START,
            written=START + timedelta(minutes=1),
            objective=objective,
            algorithm="enas",
            settings=(("controller_hidden_size", "64"),),
            trials=tuple(Make.trial(number, accuracy) for number, accuracy in enumerate(accuracies, start=1)),
            versions={"torch": "2.15.0"},
            command="katib-nas run mini.yaml --seed 3",
            manifest="kind: Experiment\n",
        )
        return replace(report, **changes)


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def show(open_page: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Write a report and open it in a browser."""

    def open_report(report: Report, **options: Any) -> Any:
        page.write(report, tmp_path / "report.html")
        return open_page(tmp_path / "report.html", **options)

    return open_report
