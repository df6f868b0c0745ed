"""Searches over plain parameters: Katib's own examples, and that of a model of one's own."""

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from katib_local.commands.cli import main

ROOT = Path(__file__).parents[2]

STAND_IN = """
import argparse

parser = argparse.ArgumentParser()
for flag in ("--lr", "--num-layers", "--momentum", "--epochs", "--batch-size"):
    parser.add_argument(flag, type=float, default=0.5)
parser.add_argument("--optimizer", choices=["sgd", "adam", "ftrl"], default="sgd")
arguments = parser.parse_args()
accuracy = 0.9 - abs(arguments.lr - 0.02) - (arguments.optimizer != "adam") / 10
print(f"Train-accuracy={accuracy} Validation-accuracy={accuracy} loss={1 - accuracy}")
"""


def space(kind: str, **space: Any) -> dict[str, Any]:
    return {"parameterType": kind, "feasibleSpace": space}


LR = space("double", min="0.01", max="0.03")
OF_MXNET = {
    "lr": LR,
    "num-layers": space("int", min="2", max="5"),
    "optimizer": space("categorical", list=["sgd", "adam", "ftrl"]),
}
OF_PYTORCH = {"lr": space("double", min="0.01", max="0.05"), "momentum": space("double", min="0.5", max="0.9")}
OF_HYPEROPT = {
    "lr": space("double", min="0.01", max="0.05", step="0.01", distribution="normal"),
    "momentum": space("double", min="0.001", max="1", distribution="uniform"),
    "epochs": space("int", min="1", max="3", distribution="logUniform"),
    "batch_size": space("int", min="32", max="64", distribution="logNormal"),
}
OF_OPTUNA = {
    "lr": space("double", min="1", max="5", step="0.1", distribution="uniform"),
    "momentum": space("double", min="0.001", max="1", step="0.1", distribution="uniform"),
    "epochs": space("int", min="1", max="3", distribution="uniform"),
    "batch_size": space("int", min="32", max="64", distribution="logUniform"),
}
"""The search spaces of the examples that Katib's repository has for random search and TPE."""


def katibs_example(parameters: Mapping[str, Any], image: str, objective: Mapping[str, Any]) -> dict[str, Any]:
    """An example as Katib's repository has it, but for algorithmName."""
    flags = [f"--{name.replace('_', '-')}=${{trialParameters.{name}}}" for name in parameters]
    command = ["python3", f"/opt/{image.removesuffix('-cpu')}/mnist.py", *flags]
    container = {
        "name": "training-container",
        "image": f"docker.io/kubeflowkatib/{image}:latest",
        "command": command,
        "resources": {"limits": {"memory": "1Gi", "cpu": "0.5"}},
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"namespace": "kubeflow", "name": "random"},
        "spec": {
            "objective": objective,
            "algorithm": {"algorithmName": "enas"},
            "parallelTrialCount": 3,
            "maxTrialCount": 12,
            "maxFailedTrialCount": 3,
            "parameters": [{"name": name, **one} for name, one in parameters.items()],
            "trialTemplate": {
                "primaryContainerName": "training-container",
                "trialParameters": [{"name": name, "reference": name} for name in parameters],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}},
                },
            },
        },
    }


ACCURACY = {
    "type": "maximize",
    "goal": 0.99,
    "objectiveMetricName": "Validation-accuracy",
    "additionalMetricNames": ["Train-accuracy"],
}
LOSS = {"type": "minimize", "goal": 0.001, "objectiveMetricName": "loss"}


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder with a program that takes the flags of Katib's, in the place of its images."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "mnist.py").write_text(STAND_IN)
    return folder


def trials_of(out: Path) -> list[tuple[str, dict[str, str]]]:
    with contextlib.closing(sqlite3.connect(out / "experiment.db")) as connection:
        found = connection.execute("SELECT condition, assignments FROM trials ORDER BY number").fetchall()
    return [(condition, json.loads(assignments)) for condition, assignments in found]


def run(manifest: Mapping[str, Any], out: Path, service: Any, image: str, folder: Path) -> None:
    """Run a manifest with a service that has started already."""
    path = out.with_name("experiment.yaml")
    path.write_text(json.dumps(manifest))
    flags = ["--image", f"{image}={folder}", "--suggestion", f"127.0.0.1:{service.port}", "--output-dir", str(out)]
    assert main(["run", str(path), *flags]) == 0


def test_katibs_example_runs_with_a_stand_in_of_its_image(
    tmp_path: Path, stand_in: Path, enas_service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    example = katibs_example(OF_MXNET, "mxnet-mnist", ACCURACY)
    run(example, tmp_path / "out", enas_service, "kubeflowkatib/mxnet-mnist", stand_in)
    trials = trials_of(tmp_path / "out")
    assert [condition for condition, _ in trials] == ["succeeded"] * 12
    assert len({tuple(assignments.items()) for _, assignments in trials}) == 12
    assert all(0.01 <= float(assignments["lr"]) <= 0.03 for _, assignments in trials)
    assert "- optimizer: adam" in capsys.readouterr().out
    log = enas_service.log.read_text()
    assert log.count("random: lr: of its range these are tried, even: 0.01, 0.01133, ") == 1


@pytest.mark.parametrize("parameters", [OF_PYTORCH, OF_HYPEROPT, OF_OPTUNA], ids=["pytorch", "hyperopt", "optuna"])
def test_katibs_other_examples_are_accepted(
    parameters: Mapping[str, Any], tmp_path: Path, stand_in: Path, enas_service: Any
) -> None:
    (tmp_path / "tpe.yaml").write_text(json.dumps(katibs_example(parameters, "pytorch-mnist-cpu", LOSS)))
    flags = ["--image", f"kubeflowkatib/pytorch-mnist-cpu={stand_in}"]
    assert main(["validate", str(tmp_path / "tpe.yaml"), *flags, "--suggestion", f"127.0.0.1:{enas_service.port}"]) == 0


def test_the_example_of_a_model_of_ones_own(tmp_path: Path, enas_service: Any) -> None:
    """Two trials of an epoch each."""
    example = yaml.safe_load((ROOT / "examples/own-model/experiment.yaml").read_text())
    example["spec"] |= {"maxTrialCount": 2, "maxFailedTrialCount": 1}
    container = example["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    container["command"].append("--num-epochs=1")
    run(example, tmp_path / "out", enas_service, "team/own-model", ROOT / "examples/own-model")
    assert [condition for condition, _ in trials_of(tmp_path / "out")] == ["succeeded"] * 2
