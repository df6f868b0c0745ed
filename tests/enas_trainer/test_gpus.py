import json
import subprocess
from pathlib import Path

import pytest
import torch

from enas_trainer import gpus
from enas_trainer.__main__ import main

FLAGS = ["--dataset=fake:20", "--num_epochs=1", "--batch-size=8"]


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("num_gpus", "device", "available", "expected", "told"),
    [
        (1, "cuda", 4, 1, None),
        (3, "cuda", 4, 3, None),
        (4, "cuda", 4, 4, None),
        (6, "cuda", 4, 4, "6 GPUs were asked for; the trial trains on 4 CUDA devices"),
        (2, "cuda", 1, 1, "2 GPUs were asked for; the trial trains on cuda"),
        (2, "cuda:1", 4, 1, "2 GPUs were asked for; the trial trains on cuda:1"),
        (2, "cpu", 4, 1, "2 GPUs were asked for; the trial trains on cpu"),
        (1, "cpu", 0, 1, None),
        (0, "cpu", 4, 1, None),
    ],
)
def test_there_is_a_process_for_each_gpu_that_was_asked_for(
    num_gpus, device, available, expected, told, monkeypatch, caplog
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: available)  # torch's, of a machine that has them

    assert gpus.num_processes(num_gpus, torch.device(device)) == expected
    assert caplog.messages == ([] if told is None else [told])


def test_the_command_runs_a_trial_in_several_processes(one_layer, tmp_path):
    command = gpus.command(2, [*one_layer, *FLAGS, "--num_gpus=2", "--output-dir=out"])

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Validation-Accuracy=") == 1
    assert json.loads((tmp_path / "out/architecture.json").read_text())["processes"] == 2


@pytest.mark.parametrize("num_gpus", [0, 1, 4])
def test_a_machine_without_gpus_trains_in_one_process(one_layer, num_gpus, tmp_path, caplog):
    out = Path(tmp_path / "out")

    assert main([*one_layer, *FLAGS, f"--num_gpus={num_gpus}", f"--output-dir={out}"]) == 0

    assert json.loads((out / "architecture.json").read_text())["processes"] == 1
    assert ("4 GPUs were asked for; the trial trains on cpu" in caplog.text) == (num_gpus == 4)
