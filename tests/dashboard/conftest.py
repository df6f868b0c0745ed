"""The dashboard as a process, runs to show, and a browser that looks at them."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from katib_local.manifest.document import Document
from katib_local.record.collector import Point
from katib_local.record.options import Options
from katib_local.record.store import Store
from katib_local.record.trials import Trial, Verdict
from katib_suggestion.experiment import TrialCondition
from tests.dashboard.api_server import ApiServer

ROOT = Path(__file__).parents[2]
OBJECTS = ROOT / "tests/katib_local/report/cluster_objects"
START = datetime(2026, 6, 1, 12, tzinfo=UTC)

HOSTILE = "</script><script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'&amp;{{7*7}}%{y}"


def recorded_assignments() -> list[dict[str, str]]:
    """Those of trials that ran once."""
    items = json.loads((OBJECTS / "trials.json").read_text())["items"]
    return [{one["name"]: one["value"] for one in item["spec"]["parameterAssignments"]} for item in items]


@dataclass
class Runs:
    """A folder of runs that a test fills."""

    path: Path
    assignments: list[dict[str, str]] = field(default_factory=recorded_assignments)

    def manifest(self, **objective: Any) -> Document:
        """An example's, or the same after something else."""
        document: Document = yaml.safe_load((ROOT / "examples/enas-digits.yaml").read_text())
        if objective:
            document["spec"]["objective"] = {"type": "maximize", **objective}
        return document

    def trial(self, number: int, accuracy: str | None, **changes: Any) -> Trial:
        """A trial that has ended; without an accuracy it has failed."""
        costs = {"Validation-Loss": f"{number}.5", "Parameters": "1234", "MACs": "56789"}
        made = {
            "name": f"enas-digits-{number:04}",
            "number": number,
            "condition": TrialCondition.FAILED if accuracy is None else TrialCondition.SUCCEEDED,
            "assignments": self.assignments[number % len(self.assignments)],
            "labels": {},
            "reason": "exit code 7" if accuracy is None else "",
            "started": START + timedelta(seconds=number),
            "finished": START + timedelta(seconds=number + 20),
            "observation": None if accuracy is None else {"Validation-Accuracy": accuracy, **costs},
        }
        return Trial(**(made | changes))

    def add(
        self,
        name: str,
        trials: Sequence[Trial] = (),
        *,
        verdict: Verdict | None = Verdict.MAX_TRIALS_REACHED,
        manifest: Document | None = None,
        started: datetime = START,
    ) -> Path:
        """Make a run as the runner would have left it; each trial has reported its objective thrice."""
        folder = self.path / name
        folder.mkdir(parents=True)
        document = manifest or self.manifest()
        store = Store.create(folder / "experiment.db", document["metadata"]["name"], document, Options(), started)
        with contextlib.closing(store):
            store.add(trials, {})
            metric = document["spec"]["objective"]["objectiveMetricName"]
            for trial in trials:
                if value := (trial.observation or {}).get(metric):
                    points = [Point(metric=metric, value=text, time=START) for text in ("0.1", "0.2", value)]
                    store.update(trial, points)
            store.set_verdict(verdict)
        return folder


@dataclass(frozen=True)
class Server:
    """A dashboard that runs."""

    address: str
    process: subprocess.Popen[str]
    runs: Runs | None = None

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
        """Ask for a page as no browser does: status, headers, text."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)) as connection:
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@contextlib.contextmanager
def serving(*flags: str, runs: Runs | None = None, **options: Any) -> Iterator[Server]:
    """Start a dashboard on a free port; it is ended as a terminal ends it."""
    command = [sys.executable, "-m", "dashboard", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            yield Server(address, process, runs)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def start_dashboard() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    return serving


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard of a folder that the tests of a module fill."""
    runs = Runs(tmp_path_factory.mktemp("runs"))
    with serving("--runs", str(runs.path), runs=runs) as server:
        yield server


@dataclass(frozen=True)
class ClusterFlags:
    """What a dashboard of a cluster is started with."""

    words: tuple[str, ...]
    env: dict[str, str]


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """An API server, whose service account may do what the manifest says."""
    documents = yaml.safe_load_all((ROOT / "manifests/dashboard/base/rights.yaml").read_text())
    (role,) = (one["rules"] for one in documents if one["kind"] == "ClusterRole")
    server = ApiServer(role)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def cluster_flags(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> ClusterFlags:
    kubeconfig = api.kubeconfig(tmp_path_factory.mktemp("cluster") / "kubeconfig")
    return ClusterFlags(words=("--cluster",), env=os.environ | {"KUBECONFIG": str(kubeconfig)})


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait for a page to come to something. Playwright's own waiting has the page evaluate texts, which ours forbid."""

    def wait(shown: Any, expression: str, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not shown.evaluate(expression):
            assert time.monotonic() < deadline, expression
            time.sleep(0.05)

    return wait


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page and wait for its plots; in the end no page may have complained, or asked another server.

    What a page asks for and may not see it says itself; ``refused`` takes it that the browser says so, too.
    """
    contexts: list[Any] = []
    complaints: list[str] = []
    asked: list[str] = []
    origins: set[str] = set()

    def open_address(address: str, *, refused: bool = False, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        origins.add("{0.scheme}://{0.netloc}".format(urlsplit(address)))

        def hear(message: Any) -> None:
            if not (refused and "status of 403" in message.text):
                complaints.append(f"{message.type}: {message.text}")

        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("html[data-drawn]")
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((*origins, "data:"))] == []
