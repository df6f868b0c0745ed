"""Trials that are killed, at whatever instant, and started again by the same command in the same folder."""

import json
import os
import re
import signal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.utils._pytree import tree_flatten_with_path

from enas_trainer.__main__ import main
from katib_suggestion.files.folder_lock import FolderLock
from tests.warm_python import with_torch
from trial_runtime.checkpointing import checkpoints, resume
from trial_runtime.program import EXIT_TERMINATED, EXIT_WRONG_INPUT

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
NUM_STEPS = 4
"""Of an epoch: 20 of 25 images are trained on, in batches of 5."""


@pytest.fixture(autouse=True)
def no_data_from_the_environment(monkeypatch):
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def flags():
    operations = {
        "0": ("convolution", {"filter_size": "3", "num_filter": "4", "stride": "2"}),
        "1": ("reduction", {"reduction_type": "max_pooling", "pool_size": 2}),
    }
    embedding = {
        key: {"opt_id": int(key), "opt_type": kind, "opt_params": of} for key, (kind, of) in operations.items()
    }
    nn_config = {"num_layers": 2, "input_sizes": [32, 32, 3], "output_sizes": [10], "embedding": embedding}

    def flags(folder, *others):
        return [
            "--architecture=[[0], [1, 1]]", f"--nn_config={nn_config}", "--dataset=fake:25", "--num_epochs=3",
            "--batch-size=5", "--device=cpu", f"--output-dir={folder}", *others,
        ]  # fmt: skip

    return flags


@pytest.fixture(scope="module")
def whole(flags, tmp_path_factory):
    """The folder of a trial that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(flags(folder, "--seed=1")) == 0
    return folder


PROGRAM = """
import os, signal, sys
from enas_trainer.__main__ import main

name, (event, _, file), count = sys.argv[1], sys.argv[2].partition(":"), int(sys.argv[3])

def happens(what, details):
    global count
    if what == event and (event != "os.rename" or os.fspath(details[1]).endswith(file or "checkpoint.pt")):
        count -= 1
        if count == 0 and os.environ.get("RANK", "0") == "0":
            os.kill(os.getpid(), signal.Signals[name])

sys.addaudithook(happens)
from enas_trainer.images.train import Training
take = Training._step
def step(*arguments):
    sys.audit("step")
    return take(*arguments)
Training._step = step
sys.exit(main(sys.argv[4:]))
"""
"""Sends itself a signal before a step, or before a file gets its name, the checkpoint unless another one is named: for
the count-th time."""


def disturbed(folder, name, event, count, argv):
    return with_torch.run("-c", PROGRAM, name, event, count, *argv, cwd=folder, env=ENVIRONMENT)


def bits(folder):
    """All numbers of the last checkpoint, but for times; what pickle makes of them is not always the same."""
    state = dict(checkpoints.read(folder / "checkpoint.pt").state["training"])
    del state["seconds"]
    return [
        (str(path), (str(leaf.dtype), leaf.numpy().tobytes()) if isinstance(leaf, torch.Tensor) else leaf)
        for path, leaf in tree_flatten_with_path(state)[0]
    ]


def lines(text):
    """Lines of metrics without their times."""
    return [line.split(" ", 1)[1] for line in text.splitlines()]


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("name", "event", "count", "more"),
    [
        ("SIGKILL", "step", NUM_STEPS + 3, []),  # the epoch begins anew
        ("SIGKILL", "step", NUM_STEPS + 3, ["--checkpoint-every-steps=1"]),
        ("SIGKILL", "os.rename", 1, []),
        ("SIGKILL", "os.rename", 2, []),
        ("SIGKILL", "os.rename:architecture.json", 1, []),
        ("SIGKILL", "os.rename:architecture.json", 4, []),  # after the last checkpoint
        ("SIGTERM", "step", 2 * NUM_STEPS, []),
        ("SIGTERM", "os.rename", 2, []),
    ],
)
def test_a_trial_that_is_killed_goes_on_to_the_same_bits(flags, whole, name, event, count, more, tmp_path, capfd):
    out = tmp_path / "out"
    killed = disturbed(tmp_path, name, event, count, flags(out, "--seed=1", *more))
    assert killed.returncode == (EXIT_TERMINATED if name == "SIGTERM" else -signal.SIGKILL), killed.stderr

    assert main(flags(out, "--seed=1")) == 0

    assert bits(out) == bits(whole)
    found, expected = (json.loads((folder / "architecture.json").read_text()) for folder in (out, whole))
    assert found == expected
    printed = capfd.readouterr().out
    assert len(lines(printed)) == 4  # the network's cost, and all three epochs
    assert lines(killed.stdout) == lines(printed)[: len(lines(killed.stdout))]
    # Lines that were printed before keep their times.
    assert set(killed.stdout.splitlines()[1:]) <= set(printed.splitlines())


@pytest.mark.parametrize(("instant", "more"), [(("step", 7), ["--checkpoint-every-steps=1"]), (("os.rename", 2), [])])
def test_a_trial_of_cells_goes_on_with_the_paths_that_it_drops(flags, instant, more, tmp_path):
    embedding = {
        "0": {"opt_id": 0, "opt_type": "separable_convolution", "opt_params": {"filter_size": "3"}},
        "1": {"opt_id": 1, "opt_type": "skip_connection", "opt_params": {}},
    }
    sizes = {"num_layers": 3, "input_sizes": [32, 32, 3], "output_sizes": [10]}
    nn_config = {**sizes, "search_for": "micro", "num_nodes": 1, "embedding": embedding}
    cells = [
        "--architecture=[[1, 0, 1, 1], [0, 0, 1, 0]]", f"--nn_config={nn_config}", "--init-channels=1",
        "--drop-path=.5", "--seed=1",
    ]  # fmt: skip
    assert main(flags(tmp_path / "whole", *cells)) == 0
    killed = disturbed(tmp_path, "SIGKILL", *instant, flags(tmp_path / "out", *cells, *more))
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert main(flags(tmp_path / "out", *cells)) == 0

    assert bits(tmp_path / "out") == bits(tmp_path / "whole")
    assert main(flags(tmp_path / "out", *cells, "--drop-path=.4")) == EXIT_WRONG_INPUT


def test_without_a_seed_a_trial_keeps_its_own(flags, tmp_path):
    out = tmp_path / "out"
    assert disturbed(tmp_path, "SIGTERM", "step", 5, flags(out)).returncode == EXIT_TERMINATED
    seed = json.loads((out / "architecture.json").read_text())["seed"]

    assert main(flags(out)) == 0

    record = json.loads((out / "architecture.json").read_text())
    assert (record["seed"], len(record["epochs"])) == (seed, 3)


def test_a_trial_that_is_over_is_told_of_again(flags, whole, capfd):
    before = bits(whole)

    assert main(flags(whole, "--seed=1")) == 0

    assert [re.search(r"epoch \d", line)[0] for line in capfd.readouterr().out.splitlines()[1:]] == [
        "epoch 1", "epoch 2", "epoch 3",
    ]  # fmt: skip
    assert bits(whole) == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ("--architecture=[[0], [0, 1]]", "architecture is '[[0], [1, 1]]' there and '[[0], [0, 1]]' here"),
        ("--num_epochs=4", "settings.num_epochs is 3 there and 4 here"),
        ("--optimizer=adam", "settings.optimizer is 'sgd' there and 'adam' here"),
        ("--seed=2", "seed is 1 there and 2 here"),
    ],
)
def test_another_trial_in_the_same_folder_is_refused(flags, whole, changed, named, capfd):
    assert main(flags(whole, "--seed=1", changed)) == EXIT_WRONG_INPUT

    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert named in err


def test_a_folder_that_another_trial_writes_is_refused(flags, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(resume, "WAIT_S", 0.1)
    other = FolderLock(tmp_path)
    assert other.claim()

    assert main(flags(tmp_path)) == EXIT_WRONG_INPUT

    other.release()
    assert f"error: --output-dir: {tmp_path} is in use by another process" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_fresh_begins_anew(flags, tmp_path):
    assert main(flags(tmp_path, "--seed=1")) == 0

    assert main(flags(tmp_path, "--seed=2", "--fresh")) == 0

    assert json.loads((tmp_path / "architecture.json").read_text())["seed"] == 2


def test_two_processes_end_and_go_on_together(flags, torchrun, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    argv = flags(tmp_path / "out", "--seed=1")
    torchrun(2, program, "SIGTERM", "step", "6", *argv, cwd=tmp_path)
    assert checkpoints.read(tmp_path / "out/checkpoint.pt").state["training"]["epoch"] == 2

    done = torchrun(2, "-m", "enas_trainer", *argv, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert len(json.loads((tmp_path / "out/architecture.json").read_text())["epochs"]) == 3


def test_a_resumed_trial_puts_its_shared_weights_back_once(flags, tmp_path):
    bank, more = tmp_path / "bank", ["--seed=1", f"--shared-weights={tmp_path / 'bank'}"]
    assert disturbed(tmp_path, "SIGTERM", "step", 6, flags(tmp_path / "out", *more)).returncode == EXIT_TERMINATED
    assert not list(bank.rglob("*.safetensors"))  # a part of a training is no reward for others

    assert main(flags(tmp_path / "out", *more)) == 0
    first = {file: load_file(file) for file in bank.rglob("*.safetensors")}
    assert main(flags(tmp_path / "out", *more)) == 0
    second = {file: load_file(file) for file in bank.rglob("*.safetensors")}

    assert first
    torch.testing.assert_close(second, first, rtol=0, atol=0)


@pytest.mark.parametrize("count", [1, 2])
def test_a_trial_that_is_killed_while_it_puts_its_weights_back_puts_the_others_too(flags, tmp_path, count):
    def put(name, *instants):
        bank = tmp_path / name
        argv = flags(tmp_path / f"{name}-out", "--seed=1", f"--shared-weights={bank}")
        for instant in instants:
            assert disturbed(tmp_path, "SIGKILL", *instant, argv).returncode == -signal.SIGKILL
        assert main(argv) == 0
        # The names of the files tell trials apart; entries and weights must be the same.
        assert not list(bank.rglob(".*.writing"))
        return {file.parent.name: load_file(file) for file in sorted(bank.rglob("*.safetensors"))}

    killed = put("killed", ("os.rename:.safetensors", count))

    torch.testing.assert_close(killed, put("whole"), rtol=0, atol=0)
    assert len(killed) > 1


@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_whatever_a_checkpoint_holds_it_is_gone_on_from_or_refused(data, bad, flags, whole, tmp_path, capfd):
    good = checkpoints.read(whole / resume.FILE)
    # The numbers of an optimiser are its own: nobody else can tell what they may be.
    training = {name: part for name, part in good.state["training"].items() if name not in ("optimizer", "schedule")}
    changed = data.draw(
        bad.document({"configuration": dict(good.configuration), "state": {**good.state, "training": training}})
    )
    if isinstance(changed.get("state"), dict) and isinstance(changed["state"].get("training"), dict):
        changed["state"]["training"] = {**good.state["training"], **changed["state"]["training"]}
    torch.save({"format": 1, **changed}, tmp_path / resume.FILE)

    code = main(flags(tmp_path, "--seed=1"))

    assert code in (0, EXIT_WRONG_INPUT)
    if code == EXIT_WRONG_INPUT:
        assert "checkpoint.pt" in capfd.readouterr().err.splitlines()[-1]
