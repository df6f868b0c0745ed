"""Reports of an Experiment on a cluster, from an API server that holds its objects.

They are as Katib 0.19 leaves them, with the assignments and metrics of trials that ran on a machine of ours.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from katib_local.commands import cli
from katib_local.report import read_cluster
from katib_suggestion.experiment import TrialCondition
from tests.katib_local.api_server import PLACE, ApiServer


def trials(api: ApiServer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.objects[f"{PLACE}/trials"]["items"]
    return items


def test_the_objects_become_a_report(api: ApiServer) -> None:
    found = read_cluster.read("enas-digits", "team", None)
    assert (found.name, found.namespace, found.algorithm) == ("enas-digits", "team", "enas")
    assert found.state == "Experiment has succeeded because max trial count has reached"
    # In the order of the suggestions, which is not that of the names.
    assert [(item.trial.number, item.trial.name[-8:]) for item in found.trials] == [
        (1, "b8x2kq7d"),
        (2, "m4c9zv6t"),
        (3, "hx7lw2np"),
        (4, "q5r8d3fg"),
    ]
    succeeded, failed = TrialCondition.SUCCEEDED, TrialCondition.FAILED
    assert [item.trial.condition for item in found.trials] == [succeeded] * 3 + [failed]
    assert "backoff limit" in found.trials[3].trial.reason
    # The best epoch of an accuracy, and of a loss.
    assert [item.number("Validation-Accuracy") for item in found.trials] == [0.35, 0.325, 0.3625, None]
    assert found.trials[0].number("Validation-Loss") == 1.78017
    assert found.best is found.trials[2]
    assert found.trials[0].seconds == 17
    written = yaml.safe_load(found.manifest)
    assert set(written) == {"apiVersion", "kind", "metadata", "spec"}
    assert written["metadata"] == {"name": "enas-digits", "namespace": "team"}


def test_the_page_shows_them(
    api: ApiServer, open_page: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", "--experiment", "enas-digits", "--namespace", "team"]) == 0
    assert capsys.readouterr().out == "enas-digits-report.html\n"
    shown = open_page(tmp_path / "enas-digits-report.html")
    assert shown.inner_text("#best-trial") == "enas-digits-hx7lw2np"
    drawn = shown.evaluate("document.querySelector(\"[data-figure='objective']\").data[0].y")
    assert drawn == [0.35, 0.325, 0.3625]
    # The input, four layers and the output.
    assert shown.locator("#best-picture svg .box").count() == 6
    assert "curves over time" in shown.inner_text("footer")
    assert shown.inner_text("#command") == "kubectl apply -f enas-digits.yaml"


def test_what_runs_and_what_has_no_suggestion_yet(api: ApiServer) -> None:
    del api.objects[f"{PLACE}/suggestions/enas-digits"]
    running, *_ = trials(api)
    running["status"] = {"conditions": [{"type": "Running", "status": "True"}], "startTime": "2026-06-01T12:00:00Z"}
    stranger = trials(api)[1]
    stranger["metadata"]["labels"] = {"katib.kubeflow.org/experiment": "other"}
    api.objects[f"{PLACE}/experiments/enas-digits"]["status"] = {}
    found = read_cluster.read("enas-digits", "team", None)
    assert len(found.trials) == 3
    assert found.trials[0].trial.condition is TrialCondition.RUNNING
    assert found.trials[0].seconds is None
    assert found.state == "was not looked at by Katib yet"


def test_a_genotype_is_the_latest_text(api: ApiServer, make: Any) -> None:
    objective = {"type": "maximize", "objectiveMetricName": "Best-Genotype"}
    api.objects[f"{PLACE}/experiments/enas-digits"]["spec"]["objective"] = objective
    metric = {"name": "Best-Genotype", "min": "unavailable", "max": "unavailable", "latest": make.genotype}
    trials(api)[0]["status"]["observation"] = {"metrics": [metric]}
    found = read_cluster.read("enas-digits", "team", None)
    assert found.best is found.trials[0]
    assert found.trials[0].value("Best-Genotype") == make.genotype
    assert found.trials[1].value("Best-Genotype") == ""


@pytest.mark.parametrize(
    ("refusal", "arguments", "message"),
    [
        (None, ["--experiment", "other"], "experiment other in namespace team cannot be read: it is not there (404"),
        ((403, "Forbidden"), ["--experiment", "enas-digits"], "you are not allowed to (403"),
        (None, ["--experiment", "enas-digits", "--context", "there"], "no cluster is configured"),
    ],
)
def test_what_the_cluster_refuses(
    api: ApiServer,
    refusal: tuple[int, str] | None,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.refusal = refusal
    assert cli.main(["report", "--namespace", "team", *arguments]) == 6
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_an_object_that_katib_has_not_written(api: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    api.objects[f"{PLACE}/experiments/enas-digits"]["spec"]["objective"]["type"] = 7
    assert cli.main(["report", "--experiment", "enas-digits", "--namespace", "team"]) == 6
    assert "is not as Katib writes it: spec.objective.type" in capsys.readouterr().err
