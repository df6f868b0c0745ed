"""Experiments from Python."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubeflow_katib_api import models

from katib_local import api
from katib_local.api import Run
from katib_local.manifest import manifest
from katib_local.running import interruption
from katib_suggestion.experiment import TrialCondition

Document = dict[str, Any]
CONTAINER = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0"
ROOT = Path(__file__).parents[2]
IMAGE = "tests/program"


@pytest.fixture
def document(write_manifest: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Document:
    """A manifest of two trials, in an empty folder."""
    read: Document = yaml.safe_load(write_manifest().read_text())
    monkeypatch.chdir(tmp_path)
    return read


@pytest.fixture
def call(service: str, program: Callable[[str], Path]) -> Callable[..., Run]:
    """Run an experiment whose trials are a script."""

    def run(experiment: Any, script: str = 'echo "score=0.${1#v}"', **options: Any) -> Run:
        return api.run(
            experiment, suggestion=service, images={IMAGE: program(script)}, **{"progress": False, **options}
        )

    return run


def test_a_model(document: Document, call: Callable[..., Run], tmp_path: Path) -> None:
    experiment = models.V1beta1Experiment.from_dict(document)
    # Nobody needs to write these in Python.
    experiment.api_version = experiment.kind = None
    found = call(experiment)
    assert found.name == document["metadata"]["name"]
    assert found.state == "all trials are completed"
    assert found.folder.parent == tmp_path / "runs"
    assert found.best is not None
    assert (found.best.number, found.best.metrics) == (2, {"score": 0.2})
    assert [trial.condition for trial in found.trials] == [TrialCondition.SUCCEEDED] * 2
    assert found.page.is_file()


def test_a_mapping_a_path_and_a_name(document: Document, call: Callable[..., Run], tmp_path: Path) -> None:
    assert call(document, output_dir="first").folder == tmp_path / "first"
    for experiment in ("manifest.yaml", tmp_path / "manifest.yaml"):
        assert call(experiment).state == "all trials are completed"
    found = manifest.find("enas-digits")
    assert found == ROOT / "examples/enas-digits.yaml"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_model_is_the_manifest_it_came_from(path: Path) -> None:
    model = models.V1beta1Experiment.from_dict(yaml.safe_load(path.read_text()))
    assert manifest.parse(api._document(model)) == manifest.load(path)[0]


def test_a_run_goes_on(document: Document, call: Callable[..., Run], tmp_path: Path) -> None:
    document["spec"]["maxFailedTrialCount"] = 1
    assert call(document, "exit 3").state == "maxFailedTrialCount is reached"
    document["spec"]["maxFailedTrialCount"] = 2
    found = call(document, resume=True)
    assert found.state == "all trials are completed"
    assert [trial.reason for trial in found.trials] == ["exit code 3", ""]
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_progress(document: Document, call: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    call(document)
    assert capsys.readouterr() == ("", "")
    call(document, progress=True)
    printed, progress = capsys.readouterr()
    assert printed == ""
    assert [line.split()[2] for line in progress.splitlines()] == ["running", "succeeded"] * 2


def test_a_kept_run_is_loaded(document: Document, call: Callable[..., Run], tmp_path: Path) -> None:
    call(document, output_dir="runs/one")
    found = call(document, output_dir="runs/two")
    assert api.load().folder == found.folder
    for path in ("one", "runs/one", tmp_path / "runs/one"):
        assert api.load(path).folder == tmp_path / "runs/one"
    assert api.load("two", runs_dir=tmp_path / "runs").folder == found.folder
    with pytest.raises(ValueError, match="three holds no run"):
        api.load("three")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parallel": 0}, "parallel: 0 is not allowed: it must be an integer from 1"),
        ({"max_images": -1}, "max_images: -1 is not allowed"),
        ({"seed": 2**31}, "seed: 2147483648 is not allowed: it must be an integer from 0"),
        ({"suggestion": "here"}, "suggestion: 'here' is not allowed: it must be HOST:PORT"),
        (
            {"images": {"python": "nowhere"}},
            "images: python: 'nowhere' is not allowed: it must be a folder, or an image that is known",
        ),
        ({"resume": True}, "no run of mini"),
    ],
)
def test_what_is_not_allowed_is_named(document: Document, tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        api.run(document, **options)
    assert not (tmp_path / "runs").exists()


def test_a_wrong_experiment_is_refused(document: Document, call: Callable[..., Run], tmp_path: Path) -> None:
    document["spec"]["maxTrialCount"] = 0
    with pytest.raises(ValueError, match=r"spec\.maxTrialCount: 0 is not allowed"):
        call(models.V1beta1Experiment.from_dict(document))
    document["spec"]["maxTrialCount"] = {1, 2}
    with pytest.raises(ValueError, match=r"spec\.maxTrialCount: 'a set' is not allowed: only what JSON can say"):
        call(document)
    with pytest.raises(ValueError, match="nowhere"):
        call("nowhere")
    assert not (tmp_path / "runs").exists()


def test_a_service_that_does_not_answer_as_it_must(document: Document, call: Callable[..., Run]) -> None:
    document["spec"]["algorithm"]["algorithmSettings"] = [{"name": "do", "value": "too few"}]
    with pytest.raises(RuntimeError, match="suggested 0 trials where 1 was asked for"):
        call(document)


def test_another_thread_runs_one_too(document: Document, call: Callable[..., Run]) -> None:
    found: list[Run] = []
    thread = threading.Thread(target=lambda: found.append(call(document)))
    thread.start()
    thread.join(60)
    assert [run.state for run in found] == ["all trials are completed"]


@pytest.fixture
def script(service: str, program: Callable[[str], Path], document: Document, tmp_path: Path) -> Iterator[Any]:
    """A script whose second trial sleeps, as a process."""
    folder = program(f"echo $$ > {tmp_path}/$1.pid; [ $1 = v1 ] || sleep 60; echo score=1")
    options = f"suggestion='{service}', images={{'{IMAGE}': '{folder}'}}"
    code = f"from katib_local.api import run; run('manifest.yaml', {options})"
    # As a terminal would start it: what a shell script starts in the background ignores Ctrl-C.
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {code}"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "v2.pid").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_trials_and_then_the_script(script: Any, tmp_path: Path, number: signal.Signals) -> None:
    script.send_signal(number)
    _, errors = script.communicate(timeout=30)
    # As any script that a signal ends.
    assert script.returncode in ((-signal.SIGINT, 130) if number is signal.SIGINT else (-signal.SIGTERM,))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "v2.pid").read_text()), 0)
    assert ("resume=True goes on with it" in errors) == (number is signal.SIGINT)
    assert api.load().state == "interrupted"


def test_a_handler_of_the_users_own_is_heard(document: Document, call: Callable[..., Run], tmp_path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with pytest.raises(interruption.Interrupted, match="resume=True goes on with it"):
            call(document, f"kill -TERM {os.getpid()}; sleep 60")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
