"""Training and exporting what a search found, by the command line: in processes, since both become a trainer."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from katib_local.commands import arguments, cli
from tests.warm_python import COLD

KEPT = Path(__file__).parents[2] / "data/0.1.0/runs"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
MAIN = "import sys; from katib_local.commands.cli import main; sys.exit(main())"
SHORT = ("--num-epochs=1", "--first-restart=1", "--batch-size=8", "--max-images=40", "--device=cpu", "--seed=1")

Call = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs of ENAS and DARTS are kept."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copytree(KEPT, folder / "runs")
    return folder


@pytest.fixture(scope="module")
def katib_nas(folder: Path) -> Call:
    """Run the command line there."""

    def call(*words: str) -> CompletedProcess[str]:
        environment = ENVIRONMENT | {"OMP_NUM_THREADS": "1"}
        return COLD.run("-c", MAIN, *words, cwd=folder, env=environment)

    return call


@pytest.fixture(scope="module")
def trained(katib_nas: Call, folder: Path) -> Path:
    """The folder of a training of the best trial, on the data that it had."""
    done = katib_nas("train", "enas", "--train-portion", ".8", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "Validation-Accuracy=" in done.stdout
    return folder / "runs/enas/trained"


def test_the_best_trial_is_trained_and_told_of(trained: Path) -> None:
    record = json.loads((trained / "network.json").read_text())
    search = json.loads((trained / "search.json").read_text())
    assert record["architecture"] == json.loads(search["assignments"]["architecture"])
    assert record["settings"]["num_epochs"] == 1


def test_another_trial_is_not_trained_in_the_same_folder(trained: Path, katib_nas: Call) -> None:
    trials = sorted((trained.parent / "trials").iterdir())
    best = json.loads((trained / "search.json").read_text())["trial"]
    other = next(trial for trial in trials if trial.name != best)
    done = katib_nas("train", str(other), "--output-dir", str(trained), *SHORT)
    assert done.returncode == 2
    assert "holds the training of another trial" in done.stderr


def test_an_export_is_run_and_has_a_card(trained: Path, katib_nas: Call, folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = katib_nas("export", "enas", "--to", "onnx", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "run by onnxruntime: within" in done.stderr
    assert (folder / "out/model.onnx").is_file()
    card = (folder / "out/model-card.md").read_text()
    search = json.loads((trained / "search.json").read_text())
    for said in ("latency of a batch of one", search["trial"], "enas-tiny", "Validation-Accuracy"):
        assert said in card


@pytest.mark.parametrize(
    ("words", "run", "others"),
    [
        (["enas", "--num-epochs", "3", "--fresh", "--lr=.1"], "enas", ["--num-epochs=3", "--fresh", "--lr=.1"]),
        (["--num-epochs", "3", "enas"], "enas", ["--num-epochs=3"]),
        (["--fresh", "enas"], "enas", ["--fresh"]),
        (["--output-dir", "out", "--num-gpus", "2", "--precision", "bf16"], None, ["--precision=bf16"]),
    ],
)
def test_flags_that_are_not_its_own_are_the_trainers(words: list[str], run: str | None, others: list[str]) -> None:
    found = arguments.parser().parse_args(["train", *words])
    assert (found.run, found.others) == (run, others)


def test_without_a_training_there_is_nothing_to_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(KEPT / "darts", "runs/darts")
    assert cli.main(["export", "runs/darts", "--to=pt2"]) == 2
    assert "runs/darts holds no trained network: katib-nas train runs/darts makes one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "nowhere", "--experiment=x"], "RUN and --experiment are not allowed together"),
        (["train", "--num-gpus=0"], "argument --num-gpus: '0' is not allowed"),
        (["export", "--to=tflite"], "argument --to: invalid choice"),
        (["export", "--to=onnx", "--device=cpu"], "unrecognized arguments: --device=cpu"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    assert message in capsys.readouterr().err
