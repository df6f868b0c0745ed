import argparse
from pathlib import Path

import pytest
import torch

from trial_runtime import command_line, program
from trial_runtime.images.data_options import DataOptions

VARIABLES = tuple(
    f"KATIB_NAS_{name}"
    for name in (
        "DATASET",
        "DATA_DIR",
        "MAX_IMAGES",
        "OUTPUT_DIR",
        "TRAIN_PORTION",
        "IMAGE_SIZE",
        "FLIP",
        "CUTOUT",
    )
)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in (*VARIABLES, "KATIB_NAS_SEED", "KATIB_NAS_OVERRIDES", "KATIB_NAS_MANIFEST_DIR"):
        monkeypatch.delenv(name, raising=False)


def _parse(*argv):
    parser = command_line.Parser(prog="test")
    command_line.add_data_arguments(parser, train_portion=0.5)
    return parser.parse_args(argv)


def test_without_flags_and_variables_the_defaults_hold():
    assert vars(_parse("--device", "cpu")) == {
        "dataset": "cifar10",
        "data_dir": None,
        "max_images": None,
        "train_portion": 0.5,
        "image_size": None,
        "flip": None,
        "cutout": 0,
        "npz_layout": None,
        "labels": None,
        "output_dir": Path("output"),
        "seed": None,
        "device": torch.device("cpu"),
    }


def test_variables_decide_without_flags_and_flags_over_variables(monkeypatch):
    values = ("digits", "/data", "300", "/out", "0.75", "28x24", "on", "8")
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)

    from_variables = _parse()
    from_flags = _parse(
        *("--dataset", "fake", "--data-dir=d", "--max-images", "5", "--output-dir=o", "--seed=0"),
        *("--train-portion=.9", "--image-size=28", "--flip=off", "--cutout=0"),
    )

    assert (from_variables.dataset, from_variables.data_dir) == ("digits", Path("/data"))
    assert (from_variables.max_images, from_variables.output_dir) == (300, Path("/out"))
    assert (from_flags.dataset, from_flags.data_dir) == ("fake", Path("d"))
    assert (from_flags.max_images, from_flags.output_dir, from_flags.seed) == (5, Path("o"), 0)
    assert command_line.data_options(from_variables) == DataOptions(
        dataset="digits",
        data_dir=Path("/data"),
        max_images=300,
        train_portion=0.75,
        image_size=(28, 24),
        flip=True,
        cutout=8,
    )
    assert command_line.data_options(from_flags) == DataOptions(
        dataset="fake",
        data_dir=Path("d"),
        max_images=5,
        train_portion=0.9,
        image_size=(28, 28),
        flip=False,
        cutout=0,
    )


def test_home_is_put_into_paths_of_flags_and_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KATIB_NAS_DATA_DIR", "~/data")

    arguments = _parse("--output-dir=~/out")

    assert (arguments.data_dir, arguments.output_dir) == (tmp_path / "data", tmp_path / "out")


def test_a_trainer_whose_weights_learn_from_all_images_can_hold_some_out():
    parser = command_line.Parser(prog="test")
    command_line.add_data_arguments(parser, train_portion=1, cutout=16)

    data = command_line.data_options(parser.parse_args(["--dataset=fake"]))
    assert (data.train_portion, data.cutout) == (1.0, 16)
    for text, portion in (("1.0", 1.0), (".9", 0.9)):
        assert command_line.data_options(parser.parse_args([f"--train-portion={text}"])).train_portion == portion
    with pytest.raises(command_line.CommandLineError, match=r"'1.5' is not allowed: .* between 0 and 1, .* or 1$"):
        parser.parse_args(["--train-portion=1.5"])


def test_an_empty_variable_counts_as_none(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")

    assert (_parse().dataset, _parse().data_dir, _parse().max_images) == ("cifar10", None, None)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--max-images", "0"], "--max-images: '0' is not allowed: it must be an integer >= 1"),
        (["--max-images", "1e3"], "--max-images: '1e3' is not allowed"),
        (["--train-portion", "1"], "--train-portion: '1' is not allowed: it must be a number between 0 and 1"),
        (["--train-portion", "0.0"], "--train-portion: '0.0' is not allowed"),
        (["--train-portion", "nan"], "--train-portion: 'nan' is not allowed"),
        (["--image-size", "32x"], "--image-size: '32x' is not allowed: it must be N or HxW"),
        (["--image-size", "0"], "--image-size: '0' is not allowed"),
        (["--flip", "yes"], "--flip: 'yes' is not allowed: it must be auto, on, off"),
        (["--npz-layout", "hwc"], "--npz-layout: 'hwc' is not allowed: it must be auto, nhwc, nchw"),
        (["--labels", "1"], "--labels: '1' is not allowed: it must be as-is, remap"),
        (["--cutout", "-1"], "--cutout: '-1' is not allowed: it must be an integer >= 0"),
        (["--seed", "-1"], "--seed: '-1' is not allowed: it must be an integer >= 0"),
        (["--seed"], "--seed: expected one argument"),
        (["--device", "gpu"], "--device: .*'gpu' is not allowed: it must be auto, cpu"),
        (["--epochs", "1"], "unrecognized arguments: --epochs 1"),
    ],
)
def test_wrong_flags_are_one_line_and_exit_code_2(argv, message, capfd):
    code = program.run(lambda: _parse(*argv))

    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    with pytest.raises(command_line.CommandLineError, match=message):
        _parse(*argv)


def test_a_wrong_variable_is_refused_as_its_flag_is(monkeypatch):
    monkeypatch.setenv("KATIB_NAS_MAX_IMAGES", "many")

    with pytest.raises(command_line.CommandLineError, match="--max-images: 'many' is not allowed"):
        _parse()


def test_numbers_for_argparse():
    assert command_line.integer(1)("12") == 12
    assert command_line.integer(0)("0") == 0
    for text in ("", "x", "1.0", "+1", " 1", "١", "9" * 30):
        with pytest.raises(argparse.ArgumentTypeError, match="it must be an integer >= 0"):
            command_line.integer(0)(text)
