"""Trainings of found networks within a budget: of a genotype and of a macro network on images, of a recurrent cell."""

import json
import os
import re
from dataclasses import dataclass

import numpy
import pytest

import darts_trainer.retrain
import enas_trainer.retrain
from tests.enas_trainer.retraining.conftest import ARCHITECTURE, NN_CONFIG

CELLS = (
    "Genotype(normal=[[('separable_convolution_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)
RECURRENT = "Genotype(recurrent=[('tanh',0),('relu',1)],concat=range(1,3))"
IMAGES = ["--dataset=npz:data", "--num-epochs=1", "--batch-size=8"]


@dataclass
class Training:
    """A command, what it reports of a network that it does not train, and what it costs."""

    main: object
    flags: list[str]
    untrained: dict[str, float]


TRAININGS = {
    "genotype": Training(
        darts_trainer.retrain.main,
        [f"--genotype={CELLS}", "--num-layers=2", "--init-channels=4", "--stem-multiplier=1", "--cutout=2", *IMAGES],
        {"Train-Loss": 1e9, "Train-Accuracy": 0, "Test-Loss": 1e9, "Test-Accuracy": 0},
    ),
    "layers": Training(
        enas_trainer.retrain.main,
        [f"--architecture={ARCHITECTURE}", f"--nn_config={NN_CONFIG}", "--train-portion=.75", *IMAGES],
        {"Train-Loss": 1e9, "Train-Accuracy": 0, "Validation-Loss": 1e9, "Validation-Accuracy": 0},
    ),
    "recurrent": Training(
        darts_trainer.retrain.main,
        [
            *(f"--genotype={RECURRENT}", "--dataset=grammar:1500", "--num-epochs=1", "--batch-size=8", "--bptt=8"),
            *("--hidden-size=12", "--learning-rate=5"),
        ],
        {
            **{f"{part}-{what}": 1e9 for part in ("Train", "Validation") for what in ("Loss", "Perplexity")},
            "Test-Loss": 1e9,
            "Test-Perplexity": 1e9,
        },
    ),
}


@pytest.fixture(params=TRAININGS)
def train(request, tmp_path, monkeypatch, capfd):
    """Train by one of the commands; returns the exit code, the metrics of each line, and what was said."""
    for name in [name for name in os.environ if name.startswith("KATIB_NAS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    generator = numpy.random.default_rng(0)
    for name, count in (("train", 64), ("test", 20)):
        x = generator.integers(256, size=(count, 8, 8)).astype("uint8")
        numpy.savez(tmp_path / "data" / f"{name}.npz", x=x, y=numpy.arange(count) % 2)
    asked = TRAININGS[request.param]

    def run(*flags):
        code = asked.main([*asked.flags, "--device=cpu", "--seed=1", *flags])
        out, err = capfd.readouterr()
        lines = [
            {name: float(value) for name, value in re.findall(r"([\w|-]+)=(\S+)", line)} for line in out.splitlines()
        ]
        return code, lines, err

    run.untrained = asked.untrained
    run.folder = tmp_path / "output"
    return run


@pytest.mark.parametrize("cost", ["Parameters", "MACs"])
def test_a_network_is_trained_up_to_its_cost_and_not_beyond(train, cost):
    code, [costs, untrained], _ = train('--budget="Parameters<=1, MACs<=1"')
    assert (code, untrained) == (0, train.untrained)
    assert list(costs) == ["Parameters", "MACs"]
    assert not train.folder.exists() or not list(train.folder.glob("*.safetensors"))

    code, [_, untrained], _ = train(f"--budget={cost}<={costs[cost] - 1:.0f}")
    assert (code, untrained) == (0, train.untrained)
    code, [again, *trained], _ = train(f"--budget={cost}<={costs[cost]:.0f}")
    assert code == 0
    assert costs.items() <= again.items()
    assert all(value < 1e9 for line in trained for value in line.values())
    assert (train.folder / "weights.safetensors").exists()


def test_the_latency_is_measured_reported_and_recorded(train):
    """In whatever precision the network is trained: ONNX has no convolutions of bfloat16."""
    pytest.importorskip("onnxruntime")
    code, [costs, *_], _ = train("--measure-latency", "--budget=Latency-ms<=1e4", "--precision=bf16")
    assert code == 0
    assert 0 < costs["Latency-ms"] < 1e4
    record = json.loads((train.folder / "network.json").read_text())
    assert record["latency_ms"] == pytest.approx(costs["Latency-ms"], rel=1e-5)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("FLOPs<=3", "--budget: 'FLOPs' is not allowed: the costs are Parameters, MACs"),
        ("Latency-ms<=3", "the costs are Parameters, MACs; --measure-latency measures it"),
        ("MACs<3", "argument --budget: 'MACs<3' is not allowed: <= is missing"),
        ("MACs<=NaN", "'NaN' is not allowed: MACs must be bounded by a number above 0"),
        ("MACs<=1, MACs<=2", "MACs<=1 stands there, too"),
    ],
)
def test_a_wrong_budget_is_one_line_and_exit_code_2(train, budget, said):
    code, lines, err = train(f"--budget={budget}")
    assert (code, lines) == (2, [])
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]
