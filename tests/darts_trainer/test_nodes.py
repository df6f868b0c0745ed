"""A search on several nodes, started as Kubeflow Trainer starts the pods of a TrainJob."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import yaml

import darts_trainer
from katib_local.manifest import template
from katib_local.manifest.experiment import TrialParameter, TrialTemplate

EXAMPLE = Path(__file__).parents[2] / "examples" / "cluster" / "darts-trainjob.yaml"
ASSIGNMENTS = {
    "algorithm-settings": "{'num_epochs': '1', 'num_nodes': '1', 'init_channels': '2', 'batch_size': '8'}",
    "search-space": "['max_pooling_3x3', 'skip_connection']",
    "num-layers": "1",
}


def trainer_of_a_trial() -> dict:
    """``spec.trainer`` of the example's TrainJob, filled in as Katib does."""
    spec = yaml.safe_load(EXAMPLE.read_text())["spec"]["trialTemplate"]
    parameters = tuple(TrialParameter(name=one["name"], reference=one["reference"]) for one in spec["trialParameters"])
    made = TrialTemplate(
        container=spec["primaryContainerName"], parameters=parameters, spec=json.dumps(spec["trialSpec"])
    )
    return template.fill(made, "trial-1", "team", ASSIGNMENTS)["spec"]["trainer"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_pods_of_a_train_job_end_with_one_genotype(tmp_path):
    trainer = trainer_of_a_trial()
    port = free_port()
    pods = []
    for rank in range(trainer["numNodes"]):
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PET_NNODES": str(trainer["numNodes"]),
            "PET_NPROC_PER_NODE": "1",  # a machine for tests has no four GPUs
            "PET_NODE_RANK": str(rank),
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
            "KATIB_NAS_DATASET": "fake:32",
            "KATIB_NAS_OUTPUT_DIR": str(tmp_path / str(rank)),
        }
        # The first pod's command goes through a shell, since its metrics are collected; of the other's none does.
        command = ["sh", "-c", " ".join(trainer["command"])] if rank == 0 else trainer["command"]
        pods.append(
            subprocess.Popen(
                command,
                cwd=Path(darts_trainer.__file__).parent,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        ended = [pod.communicate(timeout=120) for pod in pods]
    finally:
        for pod in pods:
            pod.kill()
    assert [pod.returncode for pod in pods] == [0, 0], [errors for _, errors in ended]
    printed = "".join(output for output, _ in ended)
    (genotype,) = re.findall(r"Best-Genotype=(Genotype\S+)", printed)
    assert genotype in ended[0][0]
    record = json.loads((tmp_path / "0" / "genotype.json").read_text())
    assert (record["genotype"], record["processes"]) == (genotype, 2)
    assert not (tmp_path / "1" / "genotype.json").exists()
