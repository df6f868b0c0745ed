"""Trials go on from checkpoints, networks and weights that 0.1.0 wrote."""

import importlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from darts_trainer import predictor

NN_CONFIG = (
    '{"num_layers": 3, "input_sizes": [8, 8, 1], "output_sizes": [10], "embedding": {'
    '"0": {"opt_id": 0, "opt_type": "convolution", '
    '"opt_params": {"filter_size": "3", "num_filter": "4", "stride": "1"}}, '
    '"1": {"opt_id": 1, "opt_type": "separable_convolution", '
    '"opt_params": {"filter_size": "3", "num_filter": "4", "stride": "1", "depth_multiplier": "1"}}, '
    '"2": {"opt_id": 2, "opt_type": "reduction", "opt_params": {"reduction_type": "max_pooling", "pool_size": 2}}}}'
)
SETTINGS = {
    "num_epochs": "2", "num_nodes": "1", "init_channels": "2", "stem_multiplier": "1", "batch_size": "10",
    "print_step": "1", "w_lr": "0.1", "alpha_lr": "0.1",
}  # fmt: skip
SEARCH_SPACE = ["separable_convolution_3x3", "dilated_convolution_3x3", "max_pooling_3x3", "skip_connection"]
SAME = ("--dataset=npz:images.npz", "--seed=1", "--device=cpu")
FLAGS = {
    "darts-search": (f"--algorithm-settings={SETTINGS}", f"--search-space={SEARCH_SPACE}", "--num-layers=2"),
    "darts-retraining": (
        "--genotype=genotype.json", "--num-layers=2", "--init-channels=2", "--stem-multiplier=1", "--num-epochs=2",
        "--batch-size=15", "--cutout=4", "--auxiliary-weight=0", "--train-portion=.75",
    ),
    "enas-trial": (
        "--architecture=[[0], [1, 1], [2, 0, 1]]", f"--nn_config={NN_CONFIG}", "--num_epochs=2", "--batch-size=16",
    ),
}  # fmt: skip
"""The commands of the folders there, but for ``--output-dir``."""

PROGRAMS = {
    "darts-search": "darts_trainer.__main__",
    "darts-retraining": "darts_trainer.retrain",
    "enas-trial": "enas_trainer.__main__",
}
"""What ``python -m`` runs."""


@pytest.fixture
def here(copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a copy of everything; the images' path is part of what a trial is."""
    folder = copied("trainers")
    monkeypatch.chdir(folder)
    return folder


def run(name: str, *others: str) -> None:
    main = importlib.import_module(PROGRAMS[name]).main
    assert main([*FLAGS[name], *SAME, *others]) == 0


def numbers(lines: list[str]) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in re.findall(r"([\w-]+)=([\d.e+-]+)", line)} for line in lines]


@pytest.mark.parametrize("name", FLAGS)
def test_a_trial_goes_on_where_it_was_killed(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(name, f"--output-dir={name}")

    printed = capsys.readouterr().out.splitlines()
    # A line of an epoch before the checkpoint comes with its time: that epoch was not trained again.
    before = [line for line in (here / f"{name}.before.log").read_text().splitlines() if " epoch " in line]
    assert len(before) == 1
    assert {*before} <= {*printed}
    whole = (here / f"{name}.whole.log").read_text().splitlines()
    assert len(printed) == len(whole)
    for found, expected in zip(numbers(printed), numbers(whole), strict=True):
        # A later version may print more.
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert [line.split(" ", 1)[1] for line in printed if "Genotype(" in line] == [
        line.split(" ", 1)[1] for line in whole if "Genotype(" in line
    ]


def test_what_has_gone_on_leaves_what_an_undisturbed_one_left(here: Path) -> None:
    run("darts-search", "--output-dir=darts-search")
    run("darts-retraining", "--output-dir=darts-retraining")

    for found, kept in (
        (here / "darts-search/genotype.json", here / "genotype.json"),
        (here / "darts-retraining/network.json", here / "network/network.json"),
    ):
        now, then = (json.loads(file.read_text()) for file in (found, kept))
        assert now.keys() >= then.keys()
        for name in ("genotype", "normal", "reduce"):
            assert now[name] == then[name]
    now, then = (load_file(folder / "weights.safetensors") for folder in (here / "darts-retraining", here / "network"))
    torch.testing.assert_close(now, then, rtol=1e-3, atol=1e-5)


def test_a_trained_network_classifies_as_it_did(here: Path) -> None:
    images_bhw = np.load(here / "images.npz")["x"][:4]
    found = predictor.load(here / "network").probabilities(torch.from_numpy(images_bhw).unsqueeze(1))
    expected = json.loads((here / "network/probabilities.json").read_text())
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-3, atol=1e-5)


def test_a_trial_begins_with_the_weights_of_a_bank(here: Path) -> None:
    """It hardly moves them: what it puts back is what it has taken."""
    kept = {file.parent.name: load_file(file) for file in here.glob("weight-bank/*/*/*.safetensors")}
    shutil.rmtree(here / "enas-trial")

    run("enas-trial", "--output-dir=out", "--shared-weights=weight-bank", "--num_epochs=1", "--learning-rate=1e-9")

    now = {file.parent.name: load_file(file) for file in here.glob("weight-bank/*/*/*.safetensors")}
    assert now.keys() == kept.keys()
    assert len(kept) == 9
    for entry, weights in kept.items():
        for name in weights:
            if name.endswith(("weight", "bias")):
                torch.testing.assert_close(now[entry][name], weights[name], rtol=1e-4, atol=1e-5)
    assert {file.name[:7] for file in here.glob("weight-bank/*/*/*")} == {"000002-"}
