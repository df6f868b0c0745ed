"""What the tests of the runner share: a manifest that runs at once, trial programs, and a suggestion service."""

import copy
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.katib_local.api_server import ApiServer

Document = dict[str, Any]

PROGRAM_IMAGE = "example.org/tests/program:1"


def minimal_manifest() -> Document:
    """An Experiment of two trials that print what `program` prints."""
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "mini"},
        "spec": {
            "parallelTrialCount": 1,
            "maxTrialCount": 2,
            "maxFailedTrialCount": 2,
            "objective": {"type": "maximize", "objectiveMetricName": "score"},
            "algorithm": {"algorithmName": "scripted", "algorithmSettings": []},
            "nasConfig": {
                "graphConfig": {"numLayers": 2, "inputSizes": [4, 4, 1], "outputSizes": [10]},
                "operations": [{"operationType": "skip_connection"}],
            },
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "theValue", "reference": "value"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {
                        "template": {
                            "spec": {
                                "restartPolicy": "Never",
                                "containers": [
                                    {
                                        "name": "main",
                                        "image": PROGRAM_IMAGE,
                                        "command": ["sh", "program.sh", '"${trialParameters.theValue}"'],
                                    }
                                ],
                            }
                        }
                    },
                },
            },
        },
    }


def change(document: Document, changes: dict[str, Any]) -> Document:
    """Copy a document with values put at dotted paths; `...` takes a value out."""
    changed = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        place: Any = changed
        for key in parents:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return changed


CONTAINER = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0"


@pytest.fixture
def manifest() -> Callable[..., Document]:
    """Make a minimal manifest with changes: ``manifest({"spec.maxTrialCount": 3})``."""
    return lambda changes=None: change(minimal_manifest(), changes or {})


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Path]:
    """Write a minimal manifest with changes and, by ``do=…``, what the scripted service is to do."""
    experiment = f"mini-{uuid.uuid4().hex[:8]}"

    def write(
        changes: Document | None = None,
        *,
        do: str = "",
        name: str = "manifest.yaml",
        settings: list[dict[str, str]] | None = None,
    ) -> Path:
        document = change(minimal_manifest(), changes or {})
        # The server counts calls by experiment, and lives as long as the session.
        document["metadata"]["name"] = experiment
        scripted = [{"name": "do", "value": do}, {"name": "record", "value": str(tmp_path / "requests.jsonl")}]
        document["spec"]["algorithm"]["algorithmSettings"] = scripted if settings is None else settings
        path = tmp_path / name
        path.write_text(yaml.safe_dump(document))
        return path

    return write


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Make a folder with a ``program.sh``; the trial's value is its first argument."""

    def make(script: str) -> Path:
        folder = tmp_path / "program"
        folder.mkdir(exist_ok=True)
        (folder / "program.sh").write_text(script)
        return folder

    return make


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """Address of a scripted suggestion service."""
    script = Path(__file__).with_name("scripted_suggestion.py")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        yield f"127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def run(service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the command line in this process: ``run("run", path, …)`` gives exit code, standard output and error."""
    from katib_local.commands.cli import main

    def call(command: str, path: Path, *flags: str) -> tuple[int, str, str]:
        images = ["--image", f"tests/program={tmp_path / 'program'}"] if (tmp_path / "program").exists() else []
        code = main([command, str(path), "--suggestion", service, *images, *flags])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


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
