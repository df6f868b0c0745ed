import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from enas_trainer.__main__ import main
from enas_trainer.images.train import LEARNING_RATES
from enas_trainer.images.trial import divide
from katib_suggestion.parsing import assignment
from trial_runtime.images.datasets import load

ROOT = Path(__file__).resolve().parents[2]
METRICS = ["Training-Accuracy", "Training-Loss", "Validation-Accuracy", "Validation-Loss"]
KATIBS_PATTERN = re.compile(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)")
"""The metrics collector's own."""

ARCHITECTURE = "[[0], [1, 1]]"
NN_CONFIG = {
    "num_layers": 2,
    "input_sizes": [32, 32, 3],
    "output_sizes": [10],
    "embedding": {
        "0": {
            "opt_id": 0,
            "opt_type": "convolution",
            "opt_params": {"filter_size": "3", "num_filter": "8", "stride": "2"},
        },
        "1": {"opt_id": 1, "opt_type": "reduction", "opt_params": {"reduction_type": "max_pooling", "pool_size": 2}},
    },
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("DATASET", "DATA_DIR", "MAX_IMAGES", "OUTPUT_DIR", "SHARED_WEIGHTS"):
        monkeypatch.delenv(f"KATIB_NAS_{name}", raising=False)


def _arguments(output_dir, *more, nn_config=NN_CONFIG):
    return [
        f"--architecture={ARCHITECTURE}",
        f"--nn_config={assignment.encode(nn_config)}",
        f"--output-dir={output_dir}",
        "--dataset=fake:40",
        "--num_epochs=2",
        "--batch-size=8",
        "--device=cpu",
        *more,
    ]


def _collected(text):
    """Metrics of each line, as Katib's collector reads standard output and standard error together."""
    lines = [line for line in text.splitlines() if any(f"{name}=" in line for name in METRICS)]
    return [{match[1]: float(match[2]) for match in KATIBS_PATTERN.finditer(line)} for line in lines]


def test_a_trial_reports_each_epoch_and_keeps_its_record(tmp_path, capfd):
    assert main(_arguments(tmp_path, "--seed=5")) == 0

    out, err = capfd.readouterr()
    cost, *lines = out.splitlines()
    epochs = _collected(out + err)
    assert [list(epoch) for epoch in epochs] == [METRICS, METRICS]
    assert all(0 <= epoch[name] <= 1 for epoch in epochs for name in METRICS[::2])
    assert len(lines) == 2
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z epoch \d: Training-Accuracy=", line) for line in lines)
    # A 3x3 convolution to 8 channels and its norm; a 1x1 one of these and the image to 8 and its norm; the linear head.
    parameters = 27 * 8 + 16 + 11 * 8 + 16 + 8 * 10 + 10
    multiply_adds = 27 * 8 * 256 + 11 * 8 * 256 + 8 * 10
    assert cost.split(" ", 1)[1] == f"Parameters={parameters} MACs={multiply_adds}"
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert (record["parameters"], record["multiply_adds"]) == (parameters, multiply_adds)
    assert record["architecture"] == [[0], [1, 1]]
    assert record["nn_config"] == NN_CONFIG
    assert (record["seed"], record["dataset"]) == (5, "fake:40")
    assert [epoch.pop("epoch") for epoch in record["epochs"]] == [1, 2]
    assert record["epochs"] == [pytest.approx(epoch, rel=1e-5) for epoch in epochs]
    assert {"python", "torch", "katib-nas"} == set(record["versions"])


def test_a_seed_makes_a_trial_repeatable(tmp_path, capfd):
    lines = []
    for place, seed in enumerate((5, 5, 6)):
        assert main(_arguments(tmp_path / str(place), f"--seed={seed}")) == 0
        lines.append([line.split(" ", 1)[1] for line in capfd.readouterr().out.splitlines()])

    assert lines[0] == lines[1] != lines[2]


@pytest.mark.parametrize(("shape", "size"), [((27, 33, 1), None), ((5, 7, 3), None), ((9, 8, 3), (13, 10))])
def test_images_of_any_size_and_one_or_three_channels_are_trained_on(shape, size, tmp_path, capfd):
    x = np.random.default_rng(0).integers(256, size=(24, *shape), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(24) % 3)
    nn_config = NN_CONFIG | {"input_sizes": [*(size or shape[:2]), shape[2]]}
    options = [f"--dataset=npz:{tmp_path / 'images.npz'}", "--cutout=5", "--flip=off", "--train-portion=.5"]
    if size is not None:
        options.append("--image-size={}x{}".format(*size))

    assert main(_arguments(tmp_path, *options, nn_config=nn_config)) == 0

    assert len(_collected(capfd.readouterr().out)) == 2
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert (record["cutout"], record["flip"], record["train_portion"]) == (5, False, 0.5)


@pytest.mark.fault(22)
@pytest.mark.parametrize(("portion", "sizes"), [(0.8, (40, 10)), (0.5, (25, 25))])
def test_validation_images_are_held_out_and_the_same_in_every_trial(portion, sizes, tmp_path):
    """Each image has a grey of its own, so that a part shows which images it holds."""
    greys = np.arange(50, dtype=np.uint8)
    np.savez(tmp_path / "greys.npz", x=np.broadcast_to(greys.reshape(50, 1, 1), (50, 32, 32)), y=greys % 10)
    images = load("npz:greys.npz", tmp_path)

    first, again = divide(images, portion), divide(images, portion)

    training, validation = ({int(image.max()) for image in part.images_nchw} for part in first)
    assert training.isdisjoint(validation)
    assert (len(training), len(validation)) == sizes
    assert all(torch.equal(a.images_nchw, b.images_nchw) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--architecture=[[0], [9, 1]]"], "architecture row 2, operation: 9 is not allowed"),
        (["--nn_config={}"], "nn_config.num_layers: None is not allowed: it is missing"),
        (["--dataset=digits"], "nn_config.input_sizes: [32, 32, 3] is not allowed"),
        (["--dataset=mnist"], "dataset: 'mnist' is not allowed"),
        (["--dataset=fake:2"], "train_portion: 0.8 is not allowed: of 2 images it must leave at least 2 to train on"),
        (["--cutout=33"], "cutout: 33 is not allowed: the images have 32x32 pixels"),
        (["--image-size=28"], "nn_config.input_sizes: [32, 32, 3] is not allowed: the images of the data set have"),
        (["--num_epochs=0"], "--num_epochs: '0' is not allowed"),
        (["--num_epochs=ten"], "--num_epochs: 'ten' is not allowed"),
        (["--num_gpus=-1"], "--num_gpus: '-1' is not allowed"),
        (["--batch-size=1"], "--batch-size: '1' is not allowed: it must be an integer >= 2"),
        (["--learning-rate=nan"], "--learning-rate: 'nan' is not allowed: it must be a number > 0 and <= 1e+30"),
        (["--learning-rate=1e39"], "--learning-rate: '1e39' is not allowed"),
        (["--learning-rate=0"], "--learning-rate: '0' is not allowed"),
        (["--optimizer=rmsprop"], "--optimizer: invalid choice: 'rmsprop'"),
        (["--precision=fp16"], "--precision: invalid choice: 'fp16'"),
        (["--learning_rte=1"], "unrecognized arguments"),
        (["--num_epoch=1"], "unrecognized arguments: --num_epoch=1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(more, message, tmp_path, capfd):
    assert main(_arguments(tmp_path, *more)) == 2

    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert _collected(err) == []


CELLS = "[[1, 0, 1, 3, 2, 1, 2, 2], [0, 0, 0, 0, 0, 1, 2, 2]]"
OF_CELLS = {
    "num_layers": 3,
    "input_sizes": [32, 32, 3],
    "output_sizes": [10],
    "search_for": "micro",
    "num_nodes": 2,
    "embedding": {
        str(number): {"opt_id": number, "opt_type": kind, "opt_params": {"filter_size": "3"} if number != 1 else {}}
        for number, kind in enumerate(["separable_convolution", "skip_connection", "avg_pooling", "max_pooling"])
    },
}


def _of_cells(output_dir, *more):
    return [*_arguments(output_dir, nn_config=OF_CELLS), f"--architecture={CELLS}", "--init-channels=2", *more]


def test_a_trial_of_cells_reports_as_one_of_layers_and_keeps_its_genotype(tmp_path, capfd):
    assert main(_of_cells(tmp_path, "--seed=5", "--num-layers=4", "--drop-path=.3")) == 0

    out, err = capfd.readouterr()
    assert [list(epoch) for epoch in _collected(out + err)] == [METRICS, METRICS]
    assert re.search(r" Parameters=\d+ MACs=\d+$", out.splitlines()[0])
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert (record["architecture"], record["nn_config"]) == (json.loads(CELLS), OF_CELLS)
    assert (record["genotype"]["version"], record["genotype"]["normal_concat"]) == (2, [0, 3])
    asked = {"init_channels": 2, "num_layers": 4, "auxiliary_weight": None, "drop_path": 0.3}
    assert record["network"] == asked


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--architecture=[[0, 0], [0, 0]]"], "architecture row 1 (normal cell): '2 numbers' is not allowed"),
        (["--architecture=0 1 2"], "architecture: '3 numbers' is not allowed: it must be two cells"),
        (["--num-layers=2"], "--num-layers: 2 is not allowed: two of the cells are reduction cells"),
        (["--init-channels=0"], "--init-channels: '0' is not allowed"),
        (["--init-channels=5000"], "--init-channels: '5000' is not allowed: it must be an integer <= 4096"),
        (["--drop-path=1"], "--drop-path: '1' is not allowed: it must be a number >= 0 and < 1"),
        (["--auxiliary-weight=-1"], "--auxiliary-weight: '-1' is not allowed"),
        (["--image-size=7"], "nn_config.input_sizes: [32, 32, 3] is not allowed"),
        (
            [f"--architecture={ARCHITECTURE}", f"--nn_config={NN_CONFIG}"],
            "--init-channels: 2 is not allowed",
        ),
        (
            [f"--nn_config={OF_CELLS | {'search_for': 'cells'}}"],
            "search_for: 'cells' is not allowed: it must be",
        ),
    ],
)
def test_a_mistake_about_cells_is_one_line_too(more, message, tmp_path, capfd):
    assert main(_of_cells(tmp_path, *more)) == 2

    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_cells_in_bfloat16_with_weights_that_trials_share(tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("first", "second"):
        flags = _of_cells(tmp_path / name, f"--shared-weights={tmp_path / 'bank'}", "--precision=bf16")
        assert main(flags) == 0
    known = re.findall(r"(\d+) of (\d+) entries of this network", caplog.text)
    assert [int(number) for number, _ in known] == [0, int(known[1][1])]


def test_what_is_required_is_named(capfd):
    assert main([]) == 2
    assert "--architecture, --nn_config" in capfd.readouterr().err
    assert main(["--architecture=[[0]]", "--choices={}"]) == 2
    assert "--choices stands in the place of --architecture and --nn_config" in capfd.readouterr().err


def test_choices_build_the_network_of_the_architecture(tmp_path, capfd):
    choices = {
        "input_sizes": [32, 32, 3],
        "output_sizes": [10],
        "layer-1": "convolution/num_filter=8/stride=2",
        "layer-1-filter_size": "3",
        "layer-2": "reduction/reduction_type=max_pooling/pool_size=2",
        "layer-2-filter_size": "5",
        "layer-2-join-0": "1",
    }
    flags = [flag for flag in _arguments(tmp_path / "choices", "--seed=5") if not flag.startswith(("--arch", "--nn"))]
    assert main([f"--choices={assignment.encode(choices)}", *flags]) == 0
    assert main(_arguments(tmp_path / "texts", "--seed=5")) == 0
    lines = [line.split(" ", 1)[1] for line in capfd.readouterr().out.splitlines()]
    assert lines[:3] == lines[3:]
    record = json.loads((tmp_path / "choices/architecture.json").read_text())
    assert record["architecture"] == [[0], [1, 1]]
    assert record["nn_config"]["embedding"]["1"]["opt_params"] == {"reduction_type": "max_pooling", "pool_size": "2"}


def test_an_output_folder_that_cannot_be_written_is_the_machines_error(tmp_path, capfd):
    (tmp_path / "output").write_text("")

    assert main(_arguments(tmp_path / "output")) == 3

    out, err = capfd.readouterr()
    assert out == ""
    assert "output" in err.splitlines()[-1]


def test_a_child_that_diverges_keeps_the_epochs_before_it_and_fails(tmp_path, capfd):
    assert main(_arguments(tmp_path, "--learning-rate=1e30", "--seed=0")) == 4

    out, err = capfd.readouterr()
    assert re.fullmatch(r"error: epoch \d, \w+ step \d: the loss is (nan|inf); .* may help", err.splitlines()[-1])
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert len(record["epochs"]) == len(_collected(out)) < 2


def test_a_trial_begins_with_the_weights_that_another_left(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    assert main(_arguments(tmp_path / "first", f"--shared-weights={tmp_path / 'bank'}")) == 0
    assert "0 of 5 entries of this network" in caplog.text
    monkeypatch.setenv("KATIB_NAS_SHARED_WEIGHTS", str(tmp_path / "bank"))
    assert main(_arguments(tmp_path / "second")) == 0
    assert "5 of 5 entries of this network" in caplog.text

    (folder,) = (tmp_path / "bank").iterdir()
    versions = [path.name for path in folder.rglob("*.safetensors")]
    assert [name[:7] for name in versions] == ["000002-"] * 5
    record = json.loads((tmp_path / "second" / "architecture.json").read_text())
    assert record["shared_weights"] == str(tmp_path / "bank")


def test_a_child_that_diverges_leaves_no_weights(tmp_path):
    bank = tmp_path / "bank"
    assert main(_arguments(tmp_path, "--learning-rate=1e30", "--seed=0", f"--shared-weights={bank}")) == 4

    assert [path.name for path in bank.rglob("*") if path.is_file()] == ["bank.json"]


def test_a_bank_that_refuses_does_not_cost_the_result(tmp_path, capfd, caplog):
    (tmp_path / "file").touch()
    assert main(_arguments(tmp_path, f"--shared-weights={tmp_path / 'file'}")) == 0

    assert len(_collected(capfd.readouterr().out)) == 2
    assert "weights cannot be shared" in caplog.text


def test_adam_and_bfloat16_on_request(tmp_path, capfd):
    assert main(_arguments(tmp_path, "--optimizer=adam", "--precision=bf16")) == 0

    assert len(_collected(capfd.readouterr().out)) == 2
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert record["training"]["optimizer"] == "adam"
    assert record["training"]["learning_rate"] == LEARNING_RATES["adam"]
    assert record["precision"] == "bf16"


def _run(command, cwd, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def _published_flags(output_dir):
    """The flags of Katib's published manifests, with the literal quotes that remain where no shell takes them off."""
    return [
        "--num_epochs=1",
        f'--architecture="{ARCHITECTURE}"',
        f'--nn_config="{assignment.encode(NN_CONFIG)}"',
        "--num_gpus=1",
    ], {"KATIB_NAS_DATASET": "fake:40", "KATIB_NAS_OUTPUT_DIR": str(output_dir)}


def test_the_published_command_runs_in_any_folder_and_without_installation(tmp_path):
    # Packages copied to a folder of their own, and a Python that does not see the installed ones.
    for package in ("enas_trainer", "cell_networks", "darts_genotype", "trial_runtime", "katib_suggestion"):
        shutil.copytree(ROOT / package, tmp_path / "image" / package, ignore=shutil.ignore_patterns("__pycache__"))
    flags, variables = _published_flags(tmp_path / "out")

    done = _run([sys.executable, "-u", "RunTrial.py", *flags], tmp_path / "image" / "enas_trainer", **variables)

    assert done.returncode == 0, done.stderr
    assert [list(epoch) for epoch in _collected(done.stdout + done.stderr)] == [METRICS]
    assert (tmp_path / "out" / "architecture.json").is_file()


def test_the_module_and_the_script_are_one_program(tmp_path):
    flags, variables = _published_flags(tmp_path / "out")
    shell = " ".join([sys.executable, str(ROOT / "enas_trainer" / "RunTrial.py"), *flags, "--seed=3"])

    by_shell = _run(["sh", "-c", shell], tmp_path, **variables)
    by_module = _run([sys.executable, "-X", "importtime", "-m", "enas_trainer", *flags, "--seed=3"], ROOT, **variables)

    assert (by_shell.returncode, by_module.returncode) == (0, 0), by_shell.stderr + by_module.stderr
    assert _collected(by_shell.stdout) == _collected(by_module.stdout) != []
    # A trial starts in seconds because it imports what it needs alone.
    imported = set(re.findall(r"\| +([a-z_]+)$", by_module.stderr, re.MULTILINE))
    assert "torch" in imported
    assert imported.isdisjoint({"torchvision", "sklearn", "grpc", "tensorflow", "pydantic"})
