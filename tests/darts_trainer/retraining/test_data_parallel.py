import json
from pathlib import Path

import pytest
import torch

from tests.warm_python import with_torch

SCRIPT = Path(__file__).with_name("data_parallel.py")
GENOTYPE = (
    "Genotype(normal=[[('separable_convolution_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)


@pytest.fixture(scope="module")
def found(torchrun, tmp_path_factory):
    """What a process alone learnt, and what each of two that share every step did."""
    folder = tmp_path_factory.mktemp("found")
    assert with_torch.run(SCRIPT, folder).returncode == 0
    done = torchrun(2, SCRIPT, folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: torch.load(folder / f"{name}.pt") for name in ("0 of 1", "0 of 2", "1 of 2")}


@pytest.mark.parametrize("process", ["0 of 2", "1 of 2"])
def test_batch_norm_aside_a_training_is_that_of_one_process_on_the_joint_batch(found, process):
    shared, alone = found[process]["ImageByImage"], found["0 of 1"]["ImageByImage"]
    torch.testing.assert_close(shared["state"], alone["state"], rtol=1e-10, atol=1e-10)
    assert shared["epochs"] == [pytest.approx(epoch, rel=1e-10) for epoch in alone["epochs"]]
    start, *_, end = (epoch["training loss"] for epoch in alone["epochs"])
    assert start != pytest.approx(end, rel=1e-3)


def test_with_batch_norm_both_processes_hold_the_same_network(found):
    first, second = (found[process]["Network"] for process in ("0 of 2", "1 of 2"))
    assert first["epochs"] == second["epochs"]
    assert all(torch.equal(first["state"][name], second["state"][name]) for name in first["state"])


def test_the_first_of_two_processes_alone_prints_and_writes(torchrun, tmp_path):
    flags = (
        *(f"--genotype={GENOTYPE}", "--num-layers=2", "--init-channels=2", "--stem-multiplier=1", "--num-epochs=2"),
        *("--batch-size=4", "--dataset=fake:16", "--train-portion=.75", "--image-size=8", "--cutout=4"),
    )
    done = torchrun(2, "-m", "darts_trainer.retrain", *flags, "--device=cpu", "--output-dir=out", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    _, first, second = done.stdout.splitlines()
    assert "epoch 1: Train-Loss=" in first
    assert "epoch 2: Train-Loss=" in second
    record = json.loads((tmp_path / "out/network.json").read_text())
    assert (record["processes"], record["settings"]["batch_size"]) == (2, 4)
    # Neither gave a seed, and both must have the same: the first one's.
    assert f"on cpu, seed {record['seed']}" in done.stderr
