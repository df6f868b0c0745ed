"""What a runner was told goes before a trial's command, and relative paths are the manifest's."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from enas_trainer.arguments import images
from trial_runtime import command_line, from_runner
from trial_runtime.images import datasets

NN_CONFIG = {
    "num_layers": 1,
    "input_sizes": [4, 4, 3],
    "output_sizes": [2],
    "embedding": {
        "0": {
            "opt_id": 0,
            "opt_type": "convolution",
            "opt_params": {"filter_size": "3", "num_filter": "2", "stride": "1"},
        }
    },
}
TRIAL = ["--architecture=[[0]]", f"--nn_config={json.dumps(NN_CONFIG)}", "--num_gpus=0"]


def pictures(folder: Path, *, size: tuple[int, int] = (4, 4)) -> Path:
    for label, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", size, (label * 200, index, 0)).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture
def override(monkeypatch):
    return lambda **flags: monkeypatch.setenv(
        from_runner.OVERRIDES, json.dumps({f"--{name.replace('_', '-')}": text for name, text in flags.items()})
    )


def test_what_the_runner_was_told_goes_before_the_command(override, caplog):
    override(dataset="fake", max_images="7", image_size="8x6", shared_weights="bank", seed="5")
    with caplog.at_level(logging.INFO):
        trial = images.parse([*TRIAL, "--dataset=digits", "--seed", "1"])
    assert (trial.data.dataset, trial.data.max_images, trial.data.image_size) == ("fake", 7, (8, 6))
    assert (trial.shared_weights, trial.seed) == (Path("bank"), 5)
    # One that an earlier version has begun without goes on with its own.
    assert not trial.is_seeded
    assert "--dataset=fake goes before what the trial's command says" in caplog.text
    assert "--max-images" not in caplog.text


def test_a_flag_that_a_program_does_not_have_is_passed_over(override):
    override(shared_weights="bank")
    parser = command_line.Parser(prog="test")
    command_line.add_data_arguments(parser, train_portion=0.5)
    assert parser.parse_args([]).dataset == "cifar10"


def test_a_value_that_is_not_allowed_is_named_by_its_flag(override):
    override(image_size="large")
    with pytest.raises(command_line.CommandLineError, match="--image-size: 'large' is not allowed"):
        images.parse(TRIAL)


@pytest.mark.parametrize("kind", ["imagefolder", "npz"])
def test_relative_data_are_those_of_the_manifests_folder(kind, tmp_path, monkeypatch):
    (tmp_path / "manifest").mkdir()
    (tmp_path / "trial").mkdir()
    if kind == "npz":
        for folder, count in (("manifest", 5), ("trial", 3)):
            np.savez(tmp_path / folder / "data.npz", x=np.zeros((count, 2, 2), np.uint8), y=np.arange(count) % 2)
    else:
        pictures(tmp_path / "manifest/data")
        pictures(tmp_path / "trial/data", size=(2, 2))
    monkeypatch.chdir(tmp_path / "trial")
    name = f"{kind}:data{'.npz' * (kind == 'npz')}"
    of_trial = datasets.load(name, tmp_path)
    monkeypatch.setenv(from_runner.MANIFEST_DIR, str(tmp_path / "manifest"))
    assert datasets.load(name, tmp_path).images_nchw.shape != of_trial.images_nchw.shape
    with pytest.raises(datasets.DatasetError, match=f"neither in {tmp_path / 'manifest'} nor in"):
        datasets.load(f"{kind}:nope", tmp_path)
    trial = images.parse([*TRIAL, "--data-dir=data", "--shared-weights=/bank"])
    assert (trial.data.data_dir, trial.shared_weights) == (tmp_path / "manifest/data", Path("/bank"))
