"""Searches that are killed, at whatever instant, and started again by the same command in the same folder."""

import csv
import json
import logging
import os
import re
import signal

import pytest
import torch

from darts_trainer.__main__ import main
from katib_suggestion.files.folder_lock import FolderLock
from tests.warm_python import with_torch
from trial_runtime.checkpointing import checkpoints, resume
from trial_runtime.program import EXIT_TERMINATED, EXIT_WRONG_INPUT

SETTINGS = {
    "num_epochs": "3", "num_nodes": "1", "init_channels": "2", "stem_multiplier": "1", "batch_size": "6",
    "print_step": "1", "w_lr": "0.1", "alpha_lr": "0.1",
}  # fmt: skip
SEARCH_SPACE = ["separable_convolution_3x3", "max_pooling_3x3", "skip_connection"]
NUM_STEPS = 3
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}


def flags(folder, *others, **changes):
    """Three epochs of three steps each; the two parts of the data differ by an image."""
    settings = SETTINGS | changes
    return [
        f"--algorithm-settings={settings}", f"--search-space={SEARCH_SPACE}", "--num-layers=2", "--dataset=fake:37",
        "--device=cpu", "--cutout=8", f"--output-dir={folder}", *others,
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def no_data_from_the_environment(monkeypatch):
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a search that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(flags(folder, "--seed=1")) == 0
    return folder


PROGRAM = """
import logging, os, signal, sys
from darts_trainer.__main__ import main

name, kind, text, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def happens(what):
    global count
    count -= text in what
    if text in what and count == 0 and os.environ.get("RANK", "0") == "0":
        os.kill(os.getpid(), signal.Signals[name])

class Watch(logging.Handler):
    def emit(self, record):
        happens(record.getMessage())

if kind == "log":
    logging.getLogger("darts_trainer").addHandler(Watch())
else:
    sys.addaudithook(lambda event, details: event == kind and happens(os.fspath(details[1])))
sys.exit(main(sys.argv[5:]))
"""
"""Sends itself a signal the moment that something is logged, or before a file gets its name: for the count-th time."""


def log(text):
    return ("log", text, 1)


def before(file, count):
    return ("os.rename", file, count)


def signalled(name, instant, *arguments):
    """Run a search that gets a signal at an instant."""
    return with_torch.run("-c", PROGRAM, name, *instant, *arguments, env=ENVIRONMENT | {"OMP_NUM_THREADS": "1"})


def without_times(lines):
    return [line.split(" ", 1)[1] for line in lines.splitlines()]


def rows(folder):
    with (folder / "epochs.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "images_per_second", "time")}
            for row in csv.DictReader(file)
        ]


def learnt(folder):
    """Weights, alphas, statistics and the optimisers' memories."""
    search = checkpoints.read(folder / "checkpoint.pt").state["search"]
    return {name: search[name] for name in ("supernet", "optimiser", "training", "architecture")}


def same(a, b):
    match a:
        case torch.Tensor():
            return torch.equal(a, b)
        case dict():
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        case list():
            return len(a) == len(b) and all(map(same, a, b))
    return a == b


def assert_same_end(folder, whole):
    assert (folder / "genotype.json").read_bytes() == (whole / "genotype.json").read_bytes()
    assert rows(folder) == rows(whole)
    assert len(rows(folder)) == 3
    assert same(learnt(folder), learnt(whole))


def test_the_comparison_sees_another_seed(whole, tmp_path):
    assert main(flags(tmp_path, "--seed=2")) == 0
    assert rows(tmp_path) != rows(whole)
    assert not same(learnt(tmp_path), learnt(whole))


def test_a_batch_that_was_found_is_kept(tmp_path, caplog):
    """The second process has other memory to offer, and does not look."""
    asked = flags(tmp_path, "--seed=1", "--order=1", "--dataset=fake:80", batch_size="None")
    killed = signalled("SIGKILL", before("/genotype.json", 1), *asked)
    assert "the largest that fits has 4 images" in killed.stderr, killed.stderr
    with caplog.at_level(logging.INFO):
        assert main(asked) == 0
    assert "goes on from" in caplog.text
    assert "the largest that fits" not in caplog.text
    assert json.loads((tmp_path / "genotype.json").read_text())["batch_size"] == 4


EVERY_STEP = "--checkpoint-every-steps=1"


@pytest.mark.parametrize(
    ("others", "instant", "goes_on_from"),
    [
        ([], log("2 layers"), []),
        ([], log("epoch 1, step 3 of 3"), []),
        ([], before("/checkpoint.pt", 1), []),
        ([], before("/genotype.json", 1), [("2", "0")]),
        ([], before("/epochs.csv", 2), [("3", "0")]),
        ([], log("epoch 2, step 2 of 3"), [("2", "0")]),
        ([EVERY_STEP], log("epoch 2, step 3 of 3"), [("2", "2")]),
        ([EVERY_STEP], before("/checkpoint.pt", 9), [("3", "0")]),
        (["--checkpoint-every-steps=2"], log("epoch 3, step 3 of 3"), [("3", "2")]),
    ],
)
def test_a_killed_search_ends_as_if_nobody_had_disturbed_it(
    whole, tmp_path, capsys, caplog, tensorboard, others, instant, goes_on_from
):
    capsys.readouterr()
    command = flags(tmp_path, "--seed=1", *others)
    killed = signalled("SIGKILL", instant, *command)
    with caplog.at_level("INFO"):
        assert main(command) == 0

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert re.findall(r"goes on from \S+: epoch (\d), step (\d)", caplog.text) == goes_on_from
    assert_same_end(tmp_path, whole)
    # Whoever reads this process alone, as Katib reads a trial's last pod, learns of every epoch.
    printed = without_times(capsys.readouterr().out)
    assert main(flags(whole, "--seed=1")) == 0
    assert printed == without_times(capsys.readouterr().out)
    curves = tensorboard(tmp_path / "tensorboard")["loss/train"]
    assert [step for step, _ in curves] == [1, 2, 3]
    assert curves == tensorboard(whole / "tensorboard")["loss/train"]


def test_sigterm_leaves_a_checkpoint_at_the_next_step_and_exits_with_143(whole, tmp_path):
    command = flags(tmp_path, "--seed=1")

    done = signalled("SIGTERM", log("epoch 2, step 1 of 3"), *command)

    assert done.returncode == EXIT_TERMINATED, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert f"the same command goes on from {tmp_path}/checkpoint.pt" in done.stderr
    assert "error: " not in done.stderr
    state = checkpoints.read(tmp_path / "checkpoint.pt").state["search"]
    assert (state["epoch"], len(state["tally"]["losses"])) == (2, 1)
    assert main(command) == 0
    assert_same_end(tmp_path, whole)


def test_sigterm_at_the_end_of_an_epoch_is_heeded_there(tmp_path):
    done = signalled("SIGTERM", log("epoch 1 of 3"), *flags(tmp_path, "--seed=1"))

    assert done.returncode == EXIT_TERMINATED, done.stderr
    state = checkpoints.read(tmp_path / "checkpoint.pt").state["search"]
    assert (state["epoch"], len(state["tally"]["losses"])) == (2, 0)


def test_a_search_that_is_over_is_reported_again_and_not_repeated(whole, capsys, caplog):
    """Also where its files are gone: a kill may come between the last checkpoint and them."""
    capsys.readouterr()
    before = (whole / "genotype.json").read_bytes(), (whole / "checkpoint.pt").read_bytes(), rows(whole)
    (whole / "genotype.json").unlink()
    (whole / "epochs.csv").unlink()

    with caplog.at_level("INFO"):
        assert main(flags(whole, "--seed=1")) == 0

    assert ((whole / "genotype.json").read_bytes(), (whole / "checkpoint.pt").read_bytes(), rows(whole)) == before
    *epochs, last = without_times(capsys.readouterr().out)
    assert [line.split(":")[0] for line in epochs] == ["epoch 1", "epoch 2", "epoch 3"]
    assert last == f"Best-Genotype={json.loads(before[0])['genotype']}"
    assert "this search is over" in caplog.text
    assert "2 layers" not in caplog.text


def test_the_genotype_of_the_best_validation_accuracy(whole, capsys):
    capsys.readouterr()
    accuracies = [float(row["validation_accuracy"]) for row in rows(whole)]
    best = rows(whole)[accuracies.index(max(accuracies))]

    assert main(flags(whole, "--seed=1", "--genotype=best-validation")) == 0

    record = json.loads((whole / "genotype.json").read_text())
    assert (record["genotype"], record["epoch"]) == (best["genotype"], int(best["epoch"]))
    assert record["metrics"]["Validation-Accuracy"] == max(accuracies)
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"Best-Genotype={best['genotype']}")
    assert main(flags(whole, "--seed=1")) == 0
    assert json.loads((whole / "genotype.json").read_text())["epoch"] == 3


def test_without_a_seed_a_search_goes_on_with_its_own(whole):
    assert main(flags(whole)) == 0
    assert json.loads((whole / "genotype.json").read_text())["seed"] == 1


@pytest.mark.parametrize(
    ("others", "changes", "difference"),
    [
        (["--seed=2"], {}, "seed is 1 there and 2 here"),
        (["--order=1"], {}, "order is 2 there and 1 here"),
        (["--precision=bf16"], {}, "precision is 'fp32' there and 'bf16' here"),
        (["--dataset=digits"], {}, "data.dataset is 'fake:37' there and 'digits' here"),
        (["--stop-at-skips=1"], {}, "variants.stop_at_skips is None there and 1 here"),
        ([], {"w_lr": "0.2", "num_epochs": "4"}, "settings.num_epochs is 3 there and 4 here; settings.w_lr is 0.1"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(whole, capsys, others, changes, difference):
    before = (whole / "checkpoint.pt").read_bytes()
    capsys.readouterr()

    assert main(flags(whole, *others, **changes)) == EXIT_WRONG_INPUT

    out, err = capsys.readouterr()
    *_, last = err.splitlines()
    assert out == ""
    assert last.startswith(f"error: {whole}/checkpoint.pt is of another configuration: ")
    assert difference in last
    assert (whole / "checkpoint.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_an_error_and_fresh_begins_anew(whole, tmp_path, capsys):
    (tmp_path / "checkpoint.pt").write_bytes((whole / "checkpoint.pt").read_bytes()[:5000])

    assert main(flags(tmp_path, "--seed=1")) == EXIT_WRONG_INPUT
    assert "cannot be gone on from: " in capsys.readouterr().err
    assert main(flags(tmp_path, "--seed=1", "--fresh")) == 0
    assert_same_end(tmp_path, whole)


def test_a_folder_that_another_search_writes_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(resume, "WAIT_S", 0.1)
    other = FolderLock(tmp_path)
    assert other.claim()

    assert main(flags(tmp_path)) == EXIT_WRONG_INPUT

    other.release()
    assert f"error: --output-dir: {tmp_path} is in use by another process" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_disk_that_is_full_costs_no_result(whole, tmp_path):
    """A file's largest size stands in for the disk; the folder itself can be written."""
    script = """
import resource, signal, sys
from darts_trainer.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sys.exit(main(sys.argv[1:]))
"""
    done = with_torch.run("-c", script, *flags(tmp_path, "--seed=1"), env=ENVIRONMENT)

    assert done.returncode == 0, done.stderr
    genotype = json.loads((whole / "genotype.json").read_text())["genotype"]
    assert done.stdout.splitlines()[-1].endswith(f"Best-Genotype={genotype}")
    assert f"{tmp_path}/checkpoint.pt cannot be written" in done.stderr
    assert not (tmp_path / "genotype.json").exists()


@pytest.fixture(scope="module")
def run_two(torchrun, tmp_path_factory):
    """Run two processes; the first gets a signal at an instant."""
    program = tmp_path_factory.mktemp("program") / "program.py"
    program.write_text(PROGRAM)

    def run(name, instant, folder):
        return torchrun(2, program, name, *instant, *flags(folder, "--seed=1", EVERY_STEP), cwd=folder.parent)

    return run


NEVER = ("SIGKILL", log("nothing"))


@pytest.fixture(scope="module")
def whole_of_two(run_two, tmp_path_factory):
    """The folder of a search by two processes that nobody disturbed."""
    folder = tmp_path_factory.mktemp("two") / "whole"
    done = run_two(*NEVER, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_two_processes_go_on_together(run_two, whole_of_two, tmp_path, name):
    """One of them gets a signal, torchrun ends the other; they end as two that nobody disturbed."""
    disturbed = run_two(name, log("epoch 2, step 2 of 3"), tmp_path / "out")
    again = run_two(*NEVER, tmp_path / "out")

    assert disturbed.returncode != 0
    assert "epoch 3" not in disturbed.stderr
    assert again.returncode == 0, again.stderr
    assert f"goes on from {tmp_path}/out/checkpoint.pt: epoch 2, step " in again.stderr
    assert_same_end(tmp_path / "out", whole_of_two)
