"""Runs that 0.1.0 made on a machine are listed, shown, loaded and gone on with, and their files read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from katib_local import api

Call = Callable[..., str]


@pytest.fixture(scope="module")
def runs(copied: Callable[[str], Path]) -> Path:
    return copied("runs")


BEST = {"enas": "[[3], [4, 1]]", "darts": "Genotype(normal=[[('separable_convolution_3x3',0),"}


def test_list(call: Call, runs: Path) -> None:
    found = {Path(run["folder"]).name: run for run in json.loads(call("list", "--runs-dir", runs, "--json"))}
    assert {name: (run["name"], run["state"], run["num_trials"], run["num_failed"]) for name, run in found.items()} == {
        "enas": ("enas-tiny", "completed", 4, 0),
        "darts": ("darts-tiny", "completed", 1, 0),
    }
    assert found["enas"]["best_trial"] == "enas-tiny-0002"


@pytest.mark.parametrize("name", BEST)
def test_show(name: str, call: Call, runs: Path, kept: Path) -> None:
    text = call("show", runs / name)
    assert BEST[name] in text
    found = json.loads(call("show", runs / name, "--json"))
    assert found["manifest"] == yaml.safe_load((kept / f"{name}.yaml").read_text())
    assert found["versions"]["katib-nas"] == "0.1.0"
    assert f"katib-nas run /srv/experiments/{name}.yaml" in found["command"]
    for trial in found["trials"]:
        assert (trial["condition"], trial["exit_code"], trial["reason"]) == ("succeeded", 0, "")
        assert trial["metrics"].keys() == {
            "enas": {"Validation-Accuracy", "Training-Accuracy", "Validation-Loss"},
            "darts": {"Best-Genotype", "Validation-Accuracy", "Train-Loss"},
        }[name]  # fmt: skip


def test_load(runs: Path) -> None:
    run = api.load("enas", runs_dir=runs)
    best = run.best
    assert best is not None
    assert (run.name, run.state, len(run.trials), best.number) == ("enas-tiny", "all trials are completed", 4, 2)
    assert best.metrics == {"Validation-Accuracy": 0.166667, "Training-Accuracy": 0.0833333, "Validation-Loss": 2.35488}
    assert all(len(values) == 2 for trial in run.trials for values in trial.curves.values())
    assert all(trial.picture is not None and (trial.folder / "artifacts").is_dir() for trial in run.trials)
    assert list(run.to_frame().index) == [trial.name for trial in run.trials]
    assert len(run.controller_figures()) == 2
    assert run.objective_figure() is not None

    search = api.load(runs / "darts")
    assert search.best is not None
    assert search.best.picture is not None
    assert len(search.alphas_figures()) == 2


@pytest.mark.parametrize(("name", "heading"), [("enas", "Controller"), ("darts", "Alphas of darts-tiny-0001")])
def test_report(name: str, heading: str, call: Call, runs: Path) -> None:
    call("report", runs / name)
    page = (runs / name / "report.html").read_text()
    assert f"{name}-tiny-0001" in page
    assert heading in page


def test_the_files_of_trials(call: Call, runs: Path, tmp_path: Path) -> None:
    genotype = runs / "darts/trials/darts-tiny-0001/artifacts/genotype.json"
    assert "separable_convolution_3x3" in call("genotype", "show", genotype)
    converted = call("genotype", "convert", "--to", "katib", genotype).strip()
    assert converted == json.loads(genotype.read_text())["genotype"]
    call("genotype", "draw", genotype, "-o", tmp_path / "cells.svg")
    trial = runs / "enas/trials/enas-tiny-0002"
    assert "max pooling 2x2" in call("architecture", "show", trial)
    call("architecture", "draw", trial, "-o", tmp_path / "layers.svg")
    assert all((tmp_path / name).read_text().startswith("<svg") for name in ("cells.svg", "layers.svg"))


def test_a_configuration_is_registered_again(call: Call, kept: Path) -> None:
    """Another release changes the images, adds what a service needs, and leaves what stands there beside them."""
    text = (kept / "katib-config.yaml").read_text()
    images = [f"--{name}-image=other/katib-nas/{name}-service:9" for name in ("enas", "darts")]
    found = call("register", kept / "katib-config.yaml", *images)

    before, after = (yaml.safe_load(each) for each in (text, found))
    entries = [document["runtime"].pop("suggestions") for document in (before, after)]
    assert after == before
    for then, now in zip(*entries, strict=True):
        name = then["algorithmName"]
        image = {"image": f"other/katib-nas/{name}-service:9"} if name in ("enas", "darts") else {}
        resources = now.pop("resources", {})
        for part, given in then.pop("resources", {}).items():
            assert resources[part].items() >= given.items()
        assert now.items() >= (then | image).items()
