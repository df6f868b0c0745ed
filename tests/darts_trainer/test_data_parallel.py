import json
from pathlib import Path

import pytest
import torch

import darts_trainer
from darts_trainer.images import config
from darts_trainer.images.trial import run
from katib_suggestion.errors import InvalidExperiment
from tests.warm_python import with_torch
from trial_runtime.processes.processes import Processes

SCRIPT = Path(__file__).with_name("data_parallel.py")
EXACT = {"rtol": 1e-10, "atol": 1e-10}
SETTINGS = {"num_epochs": "2", "num_nodes": "1", "init_channels": "2", "stem_multiplier": "1", "batch_size": "5"}


@pytest.fixture(scope="module")
def found(torchrun, tmp_path_factory):
    """What a process alone found, and what each of two that share every step did."""
    folder = tmp_path_factory.mktemp("found")
    assert with_torch.run(SCRIPT, folder).returncode == 0
    done = torchrun(2, SCRIPT, folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: torch.load(folder / f"{name}.pt") for name in ("0 of 1", "0 of 2", "1 of 2")}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("process", ["0 of 2", "1 of 2"])
def test_the_alpha_gradient_is_that_of_one_process_on_the_joint_batch(found, process, order):
    torch.testing.assert_close(found[process]["gradients"][order], found["0 of 1"]["gradients"][order], **EXACT)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("process", ["0 of 2", "1 of 2"])
def test_batch_norm_aside_a_search_is_that_of_one_process(found, process, order):
    shared, alone = found[process]["image by image"][order], found["0 of 1"]["image by image"][order]
    torch.testing.assert_close(shared["state"], alone["state"], **EXACT)
    assert shared["epochs"] == [pytest.approx(epoch, rel=1e-10) for epoch in alone["epochs"]]


@pytest.mark.parametrize("order", [1, 2])
def test_with_batch_norm_all_processes_hold_the_same_network(found, order):
    first, second = (found[process]["batch norm"][order] for process in ("0 of 2", "1 of 2"))
    assert first["epochs"] == second["epochs"]
    assert first["state"].keys() == second["state"].keys()
    assert all(torch.equal(first["state"][name], second["state"][name]) for name in first["state"])


def test_running_statistics_are_the_means_of_those_of_all_processes(found):
    """At weights that stand still: the mean is that of the joint batch, the variance lacks that between the shares."""
    alone, shared = (found[process]["standing still"]["state"] for process in ("0 of 1", "0 of 2"))
    torch.testing.assert_close(shared["stem.1.running_mean"], alone["stem.1.running_mean"])
    variance, joint_variance = shared["stem.1.running_var"], alone["stem.1.running_var"]
    torch.testing.assert_close(variance, joint_variance, rtol=0.1, atol=0)
    assert not torch.equal(variance, joint_variance)


def flags(*others, **settings):
    return [
        f'--algorithm-settings="{SETTINGS | settings}"',
        "--search-space=['max_pooling_3x3','separable_convolution_3x3']",
        "--num-layers=2",
        *others,
    ]


def test_the_first_of_two_processes_alone_prints_and_writes(torchrun, tmp_path):
    done = torchrun(
        2, "-m", "darts_trainer", *flags("--dataset", "fake:64", "--output-dir", "out"), cwd=tmp_path, cold=True
    )

    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert "epoch 1: Train-Loss=" in first
    assert "epoch 2: Train-Loss=" in second
    record = json.loads((tmp_path / "out/genotype.json").read_text())
    assert last.endswith(f"Best-Genotype={record['genotype']}")
    assert (record["processes"], record["batch_size"], record["epoch"]) == (2, 5, 2)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {".lock", "genotype.json", "alphas.csv", "epochs.csv", "checkpoint.pt", "tensorboard"}
    assert done.stderr.count("32 images for the weights, 32 for the alphas") == 1
    # Neither gave a seed, and both must have the same: the first one's.
    assert f"on cpu, seed {record['seed']}" in done.stderr


@pytest.mark.parametrize(
    ("others", "settings", "exit_code", "message"),
    [
        (["--dataset", "mnist1"], {}, 2, "error: dataset: 'mnist1' is not allowed"),
        (["--dataset", "fake:64"], {"w_lr": "1e30", "w_grad_clip": "0"}, 4, "error: epoch 1, training step "),
    ],
)
def test_what_fails_in_all_processes_is_told_once(torchrun, tmp_path, others, settings, exit_code, message):
    """By the name of published manifests."""
    script = Path(darts_trainer.__file__).with_name("run_trial.py")

    done = torchrun(2, script, *flags("--order", "1", *others, **settings), cwd=tmp_path)

    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(message)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"exitcode  : {exit_code} " in done.stderr


@pytest.mark.parametrize(
    ("batch_size", "size", "message"),
    [
        ("3", 4, "batch_size: 3 is not allowed: each of the 4 processes needs an image: it must be at least 4"),
        ("3", 2, "batch_size: 3 is not allowed: images of 2x2 end as .* at least 4 with 2 processes"),
    ],
)
def test_a_batch_too_small_for_the_processes_is_refused(tmp_path, batch_size, size, message):
    numpy = pytest.importorskip("numpy")
    file = tmp_path / "tiny.npz"
    numpy.savez(file, x=numpy.zeros((20, 2, 2, 1), "uint8"), y=numpy.arange(20) % 2)
    trial = config.from_arguments(flags("--dataset", f"npz:{file}", "--device", "cpu", batch_size=batch_size))

    with pytest.raises(InvalidExperiment, match=message):
        run(trial, Processes(rank=0, size=size))
