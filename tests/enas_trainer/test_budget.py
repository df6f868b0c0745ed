"""A trial under a budget: what it reports of a network that it does not train."""

import json
import re
import subprocess
import sys

import pytest

from enas_trainer.__main__ import main
from katib_suggestion.parsing import assignment
from tests.enas_trainer.test_main import ARCHITECTURE, KATIBS_PATTERN, METRICS, NN_CONFIG, ROOT

COSTS = {"Parameters": 426.0, "MACs": 77904.0}
"""Of the architecture."""
UNTRAINED = {"Training-Accuracy": 0.0, "Training-Loss": 1e9, "Validation-Accuracy": 0.0, "Validation-Loss": 1e9}


def _flags(output_dir, *more):
    return [
        f"--architecture={ARCHITECTURE}",
        f"--nn_config={assignment.encode(NN_CONFIG)}",
        f"--output-dir={output_dir}",
        "--dataset=fake:40",
        "--num_epochs=1",
        "--batch-size=8",
        "--device=cpu",
        *more,
    ]


def _read(text):
    """Metrics of each line, as Katib's collector finds them."""
    names = {*METRICS, "Parameters", "MACs", "Latency-ms"}
    lines = [line for line in text.splitlines() if any(f"{name}=" in line for name in names)]
    return [{found[1]: float(found[2]) for found in KATIBS_PATTERN.finditer(line) if found[2]} for line in lines]


@pytest.mark.parametrize("text", ["MACs<=77904", '"MACs<=8e4, Parameters<=426"', "'Parameters <= 500'"])
def test_within_the_budget_a_network_is_trained(text, tmp_path, capfd):
    assert main(_flags(tmp_path, f"--budget={text}")) == 0

    costs, epoch = _read(capfd.readouterr().out)
    assert costs == COSTS
    assert list(epoch) == METRICS
    assert epoch["Validation-Loss"] < 1e9


@pytest.mark.parametrize("text", ["MACs<=77903", '"MACs<=8e4, Parameters<=425"'])
def test_beyond_it_the_costs_are_reported_and_nothing_is_trained(text, tmp_path, capfd, caplog):
    assert main(_flags(tmp_path, f"--budget={text}")) == 0

    assert _read(capfd.readouterr().out) == [COSTS, UNTRAINED]
    assert "the network is beyond the budget" in caplog.text
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_shell_leaves_the_text_whole(tmp_path):
    """As manifests write it, for the shell of Katib's collectors; without quotes it would read a file."""
    command = " ".join([sys.executable, "-m", "enas_trainer", *(f'"{one}"' for one in _flags(tmp_path))])
    run = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 120}
    quoted = subprocess.run(["sh", "-c", f'{command} --budget="MACs<=5e4, Parameters<=1e6"'], **run)
    unquoted = subprocess.run(["sh", "-c", f"{command} --budget=MACs<=5e4, Parameters<=1e6"], **run)
    assert quoted.returncode == 0, quoted.stderr
    assert _read(quoted.stdout) == [COSTS, UNTRAINED]
    assert unquoted.returncode != 0


def test_the_latency_is_measured_reported_and_bounded(tmp_path, capfd):
    pytest.importorskip("onnxruntime")
    assert main(_flags(tmp_path, "--measure-latency", "--budget=Latency-ms<=1000")) == 0

    costs, epoch = _read(capfd.readouterr().out)
    assert list(costs) == ["Parameters", "MACs", "Latency-ms"]
    assert 0 < costs["Latency-ms"] < 1000
    assert list(epoch) == METRICS
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert record["latency_ms"] == pytest.approx(costs["Latency-ms"], rel=1e-5)

    assert main(_flags(tmp_path, "--fresh", "--measure-latency", "--budget=Latency-ms<=1e-6")) == 0
    assert _read(capfd.readouterr().out)[1] == UNTRAINED


def test_a_trial_goes_on_though_the_budget_has_changed(tmp_path, capfd):
    assert main(_flags(tmp_path, "--seed=1")) == 0
    trained = _read(capfd.readouterr().out)
    assert main(_flags(tmp_path, "--seed=1", "--budget=MACs<=1e6")) == 0
    assert _read(capfd.readouterr().out) == trained


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FLOPs<=3", "--budget: 'FLOPs' is not allowed: the costs are Parameters, MACs"),
        ("Latency-ms<=3", "the costs are Parameters, MACs; --measure-latency measures it"),
        ("MACs", "argument --budget: 'MACs' is not allowed: <= is missing"),
        ("MACs<=many", "'many' is not allowed: MACs must be bounded by a number above 0"),
        ("MACs<=1, MACs<=2", "MACs<=1 stands there, too"),
        ("", "<= is missing"),
    ],
)
def test_a_wrong_budget_is_one_line_and_exit_code_2(text, said, tmp_path, capfd):
    assert main(_flags(tmp_path, f"--budget={text}")) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if re.match("error: ", line)]
    assert len(errors) == 1
    assert said in errors[0]
