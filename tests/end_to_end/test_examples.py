"""The examples, as a user runs them: the command line as a process, real services, real trials, real data.

Those of minutes are run with fewer trials and images; `make test-long` runs them as they stand.
"""

import ast
import contextlib
import csv
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CIFAR10 = Path(os.environ.get("KATIB_NAS_TEST_CIFAR10", ROOT.parent / "shared" / "data" / "cifar10")) / "train-1.npz"

GENOTYPE = re.compile(
    r"Genotype\(normal=\[.+\],normal_concat=range\(2,\d+\),reduce=\[.*\],reduce_concat=range\(2,\d+\)\)"
)

needs_cifar10 = pytest.mark.skipif(
    not CIFAR10.is_file(),
    reason=f"set KATIB_NAS_TEST_CIFAR10 to a folder that holds CIFAR-10 as train-1.npz; {CIFAR10} is not there",
)


WHOLE = {"id": "whole", "marks": pytest.mark.long("the example as it stands")}


def run(example: str, out: Path, *flags: str, words: Mapping[str, str] | None = None, **changes: int) -> str:
    """Run an example, with other words in its trial's command and other numbers in its spec; return what it printed."""
    document = yaml.safe_load((ROOT / "examples" / f"{example}.yaml").read_text())
    document["spec"] |= changes
    (container,) = document["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    others = words or {}
    assert others.keys() <= {*container["command"]}
    container["command"] = [others.get(word, word) for word in container["command"]]
    manifest = out.parent / "experiment.yaml"
    manifest.write_text(yaml.safe_dump(document))
    command = [str(Path(sys.executable).with_name("katib-nas")), "run", str(manifest)]
    finished = subprocess.run(
        [*command, "--output-dir", str(out), *flags], capture_output=True, text=True, timeout=500, cwd=out.parent
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def rows(out: Path, query: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(out / "experiment.db")) as connection:
        return connection.execute(query).fetchall()


def drawn(page: Any, figure: str) -> list[dict[str, Any]]:
    """The traces that plotly has drawn into a figure of a report."""
    script = (
        "name => document.querySelector(`[data-figure='${name}']`).data.map(({name, x, y, z}) => ({name, x, y, z}))"
    )
    traces: list[dict[str, Any]] = page.evaluate(script, figure)
    return traces


def check_architecture(text: str, num_layers: int) -> None:
    architecture = ast.literal_eval(text)
    assert [len(row) for row in architecture] == list(range(1, num_layers + 1))


def value_of(printed: str, name: str) -> str:
    return printed.partition(f"\n- {name}: ")[2].splitlines()[0]


@dataclass(frozen=True)
class Ran:
    """A run of an example: its folder, what it printed, and the accuracy that it should find. Chance is a tenth."""

    out: Path
    printed: str
    accuracy: float


SHORT_ENAS = {"maxTrialCount": 5, "words": {"--num_epochs=4": "--num_epochs=2"}}
SHORT_DARTS = {"words": {"--max-images=1500": "--max-images=500"}}


@pytest.fixture(scope="module", params=[pytest.param((SHORT_ENAS, 0.3), id="short"), pytest.param(({}, 0.5), **WHOLE)])
def enas_digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    changes, accuracy = request.param
    out = tmp_path_factory.mktemp("enas") / "out"
    return Ran(out, run("enas-digits", out, **changes), accuracy)


@pytest.fixture(scope="module", params=[pytest.param((SHORT_DARTS, 0.3), id="short"), pytest.param(({}, 0.5), **WHOLE)])
def darts_digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    changes, accuracy = request.param
    out = tmp_path_factory.mktemp("darts") / "out"
    return Ran(out, run("darts-digits", out, **changes), accuracy)


def test_enas_digits(enas_digits: Ran) -> None:
    conditions = [row[0] for row in rows(enas_digits.out, "SELECT condition FROM trials")]
    assert len(conditions) >= 4
    assert set(conditions) == {"succeeded"}
    assert float(value_of(enas_digits.printed, "Validation-Accuracy")) > enas_digits.accuracy
    check_architecture(value_of(enas_digits.printed, "architecture"), num_layers=4)


SHORT_CELLS = {
    "enas-micro-digits": {"words": {"--num_epochs=3": "--num_epochs=1", "--init-channels=4": "--init-channels=2"}},
    "enas-text": {"words": {"--num_epochs=2": "--num_epochs=1", "--hidden-size=48": "--hidden-size=8"}},
}


@pytest.mark.parametrize("is_whole", [pytest.param(False, id="short"), pytest.param(True, **WHOLE)])
@pytest.mark.parametrize("example", list(SHORT_CELLS))
def test_enas_over_cells(example: str, is_whole: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ("--max-images=300",) if example == "enas-micro-digits" and not is_whole else ()
    printed = run(
        example,
        out,
        *flags,
        **({} if is_whole else {"maxTrialCount": 2, "maxFailedTrialCount": 1, **SHORT_CELLS[example]}),
    )
    conditions = [row[0] for row in rows(out, "SELECT condition FROM trials")]
    assert len(conditions) >= 2
    assert set(conditions) == {"succeeded"}
    architecture = ast.literal_eval(value_of(printed, "architecture"))
    if example == "enas-text":
        assert [len(row) for row in architecture] == [2 * 4]
        perplexity, unigram = (float(value_of(printed, f"{name}-Perplexity")) for name in ("Validation", "Unigram"))
        assert perplexity < (0.6 if is_whole else 4) * unigram
    else:
        assert [len(row) for row in architecture] == [4 * 3, 4 * 3]
        assert float(value_of(printed, "Validation-Accuracy")) > (0.8 if is_whole else 0)
    cell = "Recurrent cell" if example == "enas-text" else "Reduction cell"
    assert f"{cell}: " in (out / "report.html").read_text()


def test_the_report_of_enas_digits(enas_digits: Ran, open_page: Callable[[Path], Any]) -> None:
    out, printed = enas_digits.out, enas_digits.printed
    page = open_page(out / "report.html")
    best = re.search(r"Best trial: (\S+)", printed)
    assert best
    assert page.inner_text("#best-trial") == best[1]
    assert page.inner_text("#best-value") == value_of(printed, "Validation-Accuracy")
    reduced = [json.loads(row[0]) for row in rows(out, "SELECT observation FROM trials ORDER BY number")]
    assert drawn(page, "objective")[0]["y"] == [float(values["Validation-Accuracy"]) for values in reduced]
    curves = {curve["name"].removesuffix(" (best)"): curve["y"] for curve in drawn(page, "curves-Validation-Loss")}
    for name, values in curves.items():
        query = f"SELECT value FROM observations WHERE trial = '{name}' AND metric = 'Validation-Loss' ORDER BY rowid"
        assert values == [float(row[0]) for row in rows(out, query)]
    # Two trials at a time, asked for one by one or in pairs, as they end: at least one round a pair, of which the
    # first knows no trial yet.
    entropy = drawn(page, "entropy")[0]
    assert len(entropy["x"]) >= math.ceil(len(reduced) / 2) - 1
    assert all(0 < value < 20 for value in entropy["y"])
    assert all(0 < value < 1 for value in drawn(page, "skip-rate")[0]["y"])
    # The input, four layers and the output.
    assert page.locator("#best-picture svg .box").count() == 6
    page.get_by_role("button", name="Validation-Loss").click()
    losses = page.locator("#trials tbody td:nth-child(7)").all_inner_texts()
    assert list(map(float, losses)) == sorted(float(values["Validation-Loss"]) for values in reduced)
    page.get_by_role("button", name=f"Details of {best[1]}").click()
    page.wait_for_selector("#details-body .ytitle")
    assert value_of(printed, "architecture") in page.inner_text("#details-body")


def test_darts_digits(darts_digits: Ran) -> None:
    values = [
        float(row[0])
        for row in rows(
            darts_digits.out, "SELECT value FROM observations WHERE metric = 'Validation-Accuracy' ORDER BY rowid"
        )
    ]
    assert len(values) > 1
    assert max(values) > darts_digits.accuracy
    assert max(values) > values[0]
    assert GENOTYPE.fullmatch(value_of(darts_digits.printed, "Best-Genotype"))


def test_darts_retrain_hpo(random_suggestion: str, tmp_path: Path) -> None:
    """With a service that draws as Katib's random search does, two trials of an epoch each."""
    out = tmp_path / "out"
    run(
        "darts-retrain-hpo", out, "--suggestion", random_suggestion, words={"--num-epochs=5": "--num-epochs=1"},
        maxTrialCount=2, parallelTrialCount=1, maxFailedTrialCount=0,
    )  # fmt: skip
    assert rows(out, "SELECT condition, count(*) FROM trials GROUP BY condition") == [("succeeded", 2)]
    for folder in out.glob("trials/*/artifacts"):
        settings = json.loads((folder / "network.json").read_text())["settings"]
        assert 0.005 <= settings["learning_rate"] <= 0.3
        assert settings["batch_size"] in (32, 64, 96)


def test_the_report_of_darts_digits(darts_digits: Ran, open_page: Callable[[Path], Any]) -> None:
    out, printed = darts_digits.out, darts_digits.printed
    page = open_page(out / "report.html")
    (trial,) = (path.name for path in (out / "trials").iterdir())
    with (out / "trials" / trial / "artifacts" / "alphas.csv").open(newline="") as file:
        weights = [row for row in csv.DictReader(file) if row["cell"] == "normal"]
    heat = drawn(page, f"alphas-{trial}-normal")[0]
    assert heat["x"] == [1, 2, 3, 4]
    # Five edges, three operations and none.
    assert len(heat["y"]) == 5 * 4
    at_the_end = [float(row["weight"]) for row in weights if row["epoch"] == "4"]
    assert [row[-1] for row in heat["z"]] == at_the_end
    assert sum(at_the_end) == pytest.approx(5, abs=1e-4)
    titles = page.locator("#best-picture svg .box > title").all_text_contents()
    for operation, source in re.findall(r"\('(\w+)',(\d)\)", value_of(printed, "Best-Genotype")):
        assert any(title.startswith(f"{operation} of node {source}, to node ") for title in titles)


@needs_cifar10
def test_darts_cpu_on_cifar10(tmp_path: Path) -> None:
    printed = run("darts-cpu", tmp_path / "out", "--dataset", f"npz:{CIFAR10}", "--max-images", "300")
    assert GENOTYPE.fullmatch(value_of(printed, "Best-Genotype"))
    assert len(list(tmp_path.glob("out/trials/*/artifacts/genotype.json"))) == 1


@needs_cifar10
def test_enas_cpu_on_cifar10(tmp_path: Path) -> None:
    out = tmp_path / "out"
    printed = run("enas-cpu", out, "--dataset", f"npz:{CIFAR10}", "--max-images", "100")
    assert rows(out, "SELECT condition, count(*) FROM trials GROUP BY condition") == [("succeeded", 3)]
    assert 0 <= float(value_of(printed, "Validation-Accuracy")) <= 1
    check_architecture(value_of(printed, "architecture"), num_layers=1)
