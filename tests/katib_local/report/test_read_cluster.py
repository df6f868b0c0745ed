"""Reports of an Experiment on a cluster, from an API server that holds its objects.

They are as Katib 0.19 leaves them, with the assignments and metrics of trials that ran on a machine of ours.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from katib_local.commands import cli
from katib_local.report import read_cluster
from katib_suggestion.experiment import TrialCondition

OBJECTS = Path(__file__).with_name("cluster_objects")
PLACE = "/apis/kubeflow.org/v1beta1/namespaces/team"


class ApiServer(ThreadingHTTPServer):
    """As much of Kubernetes' API as holds one Experiment."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, Any] = {
            f"{PLACE}/{path}": json.loads((OBJECTS / file).read_text())
            for path, file in (
                ("experiments/enas-digits", "experiment.json"),
                ("suggestions/enas-digits", "suggestion.json"),
                ("trials", "trials.json"),
            )
        }
        self.refusal: tuple[int, str] | None = None


class Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        found = self.server.objects.get(address.path)
        if self.server.refusal is not None:
            status, found = self.server.refusal[0], {"kind": "Status", "reason": self.server.refusal[1]}
        elif found is None:
            status, found = 404, {"kind": "Status", "reason": "NotFound"}
        else:
            status, found = 200, _selected(found, parse_qs(address.query).get("labelSelector"))
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _selected(found: dict[str, Any], selector: list[str] | None) -> dict[str, Any]:
    """A list with those that have a label."""
    if selector is None:
        return found
    name, _, value = selector[0].partition("=")
    return {**found, "items": [item for item in found["items"] if item["metadata"]["labels"].get(name) == value]}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server, and a kubeconfig that names it."""
    with ApiServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kubeconfig = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "me", "user": {}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig))
        # The client reads the variable as it is imported, and it may have been imported before.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        monkeypatch.setattr("kubernetes.config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        monkeypatch.chdir(tmp_path)
        yield server
        server.shutdown()


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
