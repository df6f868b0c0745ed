from pathlib import Path

import pytest
import torch

from enas_trainer.arguments import images
from enas_trainer.images.trial import run
from tests.warm_python import with_torch
from trial_runtime.command_line import CommandLineError
from trial_runtime.images.datasets import DatasetError
from trial_runtime.processes.processes import Processes

SCRIPT = Path(__file__).with_name("data_parallel.py")


@pytest.fixture(scope="module")
def found(torchrun, tmp_path_factory):
    """What a process alone found, and what each of two that share every step did."""
    folder = tmp_path_factory.mktemp("found")
    assert with_torch.run(SCRIPT, folder).returncode == 0
    done = torchrun(2, SCRIPT, folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: torch.load(folder / f"{name}.pt") for name in ("0 of 1", "0 of 2", "1 of 2")}


@pytest.mark.parametrize("process", ["0 of 2", "1 of 2"])
@pytest.mark.parametrize(("kind", "rounding"), [("image by image", 1e-10), ("cells, image by image", 1e-4)])
def test_batch_norm_aside_a_training_is_that_of_one_process(found, process, kind, rounding):
    shared, alone = found[process][kind], found["0 of 1"][kind]
    torch.testing.assert_close(shared["state"], alone["state"], rtol=rounding, atol=rounding)
    assert shared["epochs"] == [pytest.approx(epoch, rel=rounding) for epoch in alone["epochs"]]


def test_with_batch_norm_all_processes_hold_the_same_network(found):
    first, second = (found[process]["batch norm"] for process in ("0 of 2", "1 of 2"))
    assert first["epochs"] == second["epochs"]
    assert all(torch.equal(first["state"][name], second["state"][name]) for name in first["state"])


def test_a_mistake_is_told_once(torchrun, one_layer, tmp_path):
    done = torchrun(2, "-m", "enas_trainer", *one_layer, "--dataset=fake:20", "--batch-size=3", cwd=tmp_path)

    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line == "error: --batch-size: 3 is not allowed: 2 processes need at least 4"
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (
            ["--dataset=fake:20", "--batch-size=5"],
            CommandLineError,
            "batch-size: 5 is not allowed: 3 processes need at",
        ),
        (["--dataset=fake:6"], DatasetError, "train_portion: 0.8 is not allowed: of 6 images it must leave at least 6"),
    ],
)
def test_too_few_images_for_the_processes_are_refused(one_layer, flags, error, message, tmp_path):
    trial = images.parse([*one_layer, *flags, f"--output-dir={tmp_path}"])

    with pytest.raises(error, match=message):
        run(trial, Processes(rank=0, size=3))
