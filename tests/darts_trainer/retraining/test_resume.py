"""Trainings that are killed and started again by the same command in the same folder."""

import os
import signal

import pytest

from darts_trainer.retrain import main
from tests.warm_python import with_torch
from trial_runtime.program import EXIT_TERMINATED, EXIT_WRONG_INPUT

GENOTYPE = (
    "Genotype(normal=[[('separable_convolution_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}


def flags(folder, *others):
    """Three epochs of three steps each, and four images held out."""
    return [
        f"--genotype={GENOTYPE}", "--num-layers=2", "--init-channels=2", "--stem-multiplier=1", "--num-epochs=3",
        "--batch-size=4", "--print-step=1", "--dataset=fake:16", "--train-portion=.75", "--image-size=8", "--cutout=4",
        "--seed=1", "--device=cpu", f"--output-dir={folder}", *others,
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def no_data_from_the_environment(monkeypatch):
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)


def without_times(lines):
    return [line.split(" ", 1)[1] for line in lines.splitlines()]


def stopped_at(text, sent, *arguments):
    """Return the exit code of a process that gets a signal the instant after it logs something."""
    log, writer = os.pipe()
    environment = ENVIRONMENT | {"OMP_NUM_THREADS": "1"}
    process = with_torch.start("-m", "darts_trainer.retrain", *arguments, env=environment, stderr=writer)
    os.close(writer)
    seen = []
    with os.fdopen(log) as lines:
        for line in lines:
            seen.append(line)
            if text in line:
                process.send_signal(sent)
                break
        else:
            pytest.fail("".join(seen))
        lines.read()
    return process.wait(60)


@pytest.mark.parametrize(
    ("instant", "sent", "exit_code"),
    [
        ("epoch 2, step 2 of 3", signal.SIGKILL, -signal.SIGKILL),
        ("epoch 1, step 2 of 3", signal.SIGTERM, EXIT_TERMINATED),
    ],
)
def test_a_stopped_training_ends_as_if_nobody_had_disturbed_it(tmp_path, capsys, caplog, instant, sent, exit_code):
    whole, folder = tmp_path / "whole", tmp_path / "stopped"
    assert main(flags(whole)) == 0
    expected = without_times(capsys.readouterr().out)
    assert len(expected) == 4

    assert stopped_at(instant, sent, *flags(folder, "--checkpoint-every-steps=2")) == exit_code
    assert not (folder / "weights.safetensors").exists()
    with caplog.at_level("INFO"):
        assert main(flags(folder)) == 0

    assert "goes on from" in caplog.text
    # Whoever reads this process alone, as Katib reads a trial's last pod, learns of every epoch.
    assert without_times(capsys.readouterr().out) == expected
    assert (folder / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


WRITES = """
import os, signal, sys
from darts_trainer.retrain import main

def happens(event, details):
    if event == "os.rename" and os.fspath(details[1]).endswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(happens)
sys.exit(main(sys.argv[2:]))
"""
"""Kills itself before a file gets its name."""


@pytest.mark.parametrize("file", ["checkpoint.pt", "weights.safetensors", "network.json"])
def test_a_training_that_is_killed_while_it_writes_a_file_writes_it_in_the_end(tmp_path, file):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert main(flags(whole)) == 0
    killed = with_torch.run("-c", WRITES, file, *flags(folder), env=ENVIRONMENT | {"OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert main(flags(folder)) == 0

    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in whole.iterdir())
    assert (folder / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_another_training_does_not_go_on_in_the_same_folder(tmp_path, capsys):
    assert main(flags(tmp_path)) == 0
    # The later flag counts. What cannot change the result may change.
    assert main(flags(tmp_path, "--print-step=2")) == 0
    for other, difference in (
        ("--drop-path=.3", "settings.drop_path is 0.2 there and 0.3 here"),
        (f"--genotype={GENOTYPE.replace('max', 'avg')}", 'genotype is "Genotype(normal'),
    ):
        capsys.readouterr()
        assert main(flags(tmp_path, other)) == EXIT_WRONG_INPUT
        assert difference in capsys.readouterr().err
    assert main(flags(tmp_path, "--drop-path=.3", "--fresh")) == 0
