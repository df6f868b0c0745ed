"""A machine that loses its power under a trainer."""

import os
import subprocess

import pytest

from tests.power_loss import Disk, written_out
from tests.system_calls import Watch, in_place, torn
from trial_runtime.checkpointing import checkpoints

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}


def architecture():
    params = {"filter_size": "3", "num_filter": "4", "stride": "2"}
    embedding = {"0": {"opt_id": 0, "opt_type": "convolution", "opt_params": params}}
    network = {"num_layers": 1, "input_sizes": [32, 32, 3], "output_sizes": [10], "embedding": embedding}
    return ["--architecture=[[0]]", f"--nn_config={network}", "--num_epochs=2"]


def search():
    settings = {"num_epochs": "2", "num_nodes": "1", "init_channels": "2", "stem_multiplier": "1", "batch_size": "6"}
    return [f"--algorithm-settings={settings}", "--search-space=['max_pooling_3x3']", "--num-layers=2"]


@pytest.mark.parametrize(
    ("module", "flags", "published"),
    [
        ("enas_trainer", architecture(), {"checkpoint.pt", "architecture.json", "bank.json"}),
        ("darts_trainer", search(), {"checkpoint.pt", "genotype.json", "epochs.csv"}),
    ],
)
def test_what_a_trainer_publishes_is_on_the_disk_before_it_has_its_name(
    tmp_path, module, flags, published, record_property
):
    watch, disk = Watch(tmp_path / "calls"), tmp_path / "disk"
    disk.mkdir()
    bank = [f"--shared-weights={disk / 'new' / 'bank'}"] if module == "enas_trainer" else []
    command = watch.command(
        "-m", module, *flags, *bank, "--dataset=fake:25", "--device=cpu", f"--output-dir={disk / 'new' / 'output'}"
    )
    with subprocess.Popen(command, env=watch.environment(ENVIRONMENT), stdout=subprocess.DEVNULL) as process:
        assert process.wait(100) == 0
    record_property("seen by", watch.way)
    calls = watch.calls(disk, process.pid)
    renamed = {call.new.name for call in calls if call.kind == "rename"}
    assert renamed >= published, watch.way
    assert any(name.endswith(".safetensors") for name in renamed) == (module == "enas_trainer")
    assert torn(calls) == [], watch.way
    streams = {name for name in in_place(calls, disk) if name.startswith("events.out.tfevents")}
    assert in_place(calls, disk) - streams == {".lock"}


def test_whatever_is_left_of_a_checkpoint_is_the_one_before_or_the_new_one(tmp_path):
    path = tmp_path / "disk" / "output" / "checkpoint.pt"
    checkpoints.write(path, {"epoch": 1}, {})
    disk = Disk(tmp_path / "disk")
    with disk.watched():
        checkpoints.write(path, {"epoch": 2}, {})
    epochs = [
        checkpoints.read(written_out(state, tmp_path / f"left-{number}") / "output" / path.name).state["epoch"]
        for number, state in enumerate([*disk.in_the_end, *disk.states()])
    ]
    assert epochs[: len(disk.in_the_end)] == [2]
    assert set(epochs) == {1, 2}
