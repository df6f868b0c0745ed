import csv
import json
import math
import os
import re

import numpy
import pytest
import torch

from darts_genotype import forms
from darts_trainer import predictor
from darts_trainer.retrain import main
from tests.warm_python import with_torch
from trial_runtime import seeds
from trial_runtime.images import datasets

GENOTYPE = (
    "Genotype(normal=[[('separable_convolution_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)
SMALL = (
    *("--num-layers=2", "--init-channels=4", "--stem-multiplier=1", "--num-epochs=2", "--batch-size=8"),
    *("--learning-rate=.1", "--cutout=2", "--device=cpu", "--seed=1"),
)


@pytest.fixture
def folder(tmp_path):
    """Images of two classes that differ in brightness, 8x8, with test images, and a genotype in a file."""
    generator = numpy.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for name, count in (("train", 64), ("test", 20)):
        y = numpy.arange(count) % 2
        x = (generator.integers(100, size=(count, 8, 8)) + 120 * y[:, None, None]).astype("uint8")
        numpy.savez(tmp_path / "data" / f"{name}.npz", x=x, y=y)
    (tmp_path / "genotype.txt").write_text(GENOTYPE)
    return tmp_path


def retrain(folder, *flags):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
    command = ["-m", "darts_trainer.retrain", "--genotype", "genotype.txt", *SMALL, *flags]
    return with_torch.run(*command, cwd=folder, env=environment | {"OMP_NUM_THREADS": "1"})


def metrics(line):
    return {name: float(value) for name, value in re.findall(r"([\w-]+)=(\S+)", line)}


def test_the_test_images_are_classified_once_after_training_on_all_others(folder):
    done = retrain(folder, "--dataset=npz:data")

    assert done.returncode == 0, done.stderr
    cost, first, second, last = done.stdout.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ", line) for line in (cost, first, second, last))
    assert metrics(cost).keys() == {"Parameters", "MACs"}
    assert metrics(first).keys() == metrics(second).keys() == {"Train-Loss", "Train-Accuracy"}
    assert metrics(last).keys() == {"Test-Loss", "Test-Accuracy"}
    assert "64 images to train on, 0 held out" in done.stderr
    record = json.loads((folder / "output/network.json").read_text())
    assert record["metrics"]["Test-Accuracy"] == pytest.approx(metrics(last)["Test-Accuracy"], abs=1e-5)
    assert (record["epochs"][1]["epoch"], record["settings"]["drop_path"], record["seed"]) == (2, 0.2, 1)

    # What was written classifies as the run did.
    images = numpy.load(folder / "data/test.npz")
    found_b = predictor.load(folder / "output").probabilities(torch.from_numpy(images["x"])[:, None]).argmax(dim=1)
    accuracy = float((found_b == torch.from_numpy(images["y"])).double().mean())
    assert accuracy == pytest.approx(metrics(last)["Test-Accuracy"], abs=1e-5)


def test_what_a_trial_of_enas_was_asked_for_is_trained_by_the_recipe_of_enas(folder, monkeypatch, caplog):
    """Its record is the genotype, whose reduction cell concatenates an input; both edges of a node come from one."""
    rows = [[0, 0, 0, 1], [1, 0, 1, 1]]
    types = (("separable_convolution", {"filter_size": "3"}), ("skip_connection", {}))
    embedding = {
        str(i): {"opt_id": i, "opt_type": kind, "opt_params": params} for i, (kind, params) in enumerate(types)
    }
    nn_config = {"num_layers": 3, "search_for": "micro", "num_nodes": 1, "embedding": embedding}
    (folder / "trial").mkdir()
    record = json.dumps({"architecture": rows, "nn_config": nn_config})
    (folder / "trial/architecture.json").write_text(record)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("KATIB_NAS_DATASET", raising=False)
    flags = ["--genotype=trial", "--dataset=npz:data", "--num-layers=3", *SMALL[1:], "--auxiliary-weight=.4"]
    assert main([*flags, "--num-epochs=3", "--drop-path=.5"]) == 0
    written = json.loads((folder / "output/network.json").read_text())
    genotype = forms.read(written["genotype"])
    assert (genotype.normal_concat, genotype.reduce_concat) == ((1, 2), (0, 2))
    assert (written["settings"]["dropout"], written["settings"]["first_restart"]) == (0.2, 10)
    assert "ends while the learning rate is still large" in caplog.text
    images = numpy.load(folder / "data/test.npz")
    assert predictor.load(folder / "output").probabilities(torch.from_numpy(images["x"])[:, None]).shape == (20, 2)


def test_with_images_held_out_test_images_are_left_alone(folder, monkeypatch, capfd, caplog):
    (folder / "data/test.npz").write_text("nobody reads this")

    monkeypatch.chdir(folder)
    with caplog.at_level("INFO"):
        assert (
            main(["--genotype=genotype.txt", *SMALL, "--dataset=npz:data", "--train-portion=.75", "--precision=bf16"])
            == 0
        )
    _, first, second = capfd.readouterr().out.splitlines()
    names = {"Train-Loss", "Train-Accuracy", "Validation-Loss", "Validation-Accuracy"}
    assert metrics(first).keys() == metrics(second).keys() == names
    assert all(math.isfinite(value) for value in metrics(second).values())
    assert "48 images to train on, 16 held out" in caplog.text


def test_the_weights_that_validated_best_are_kept_and_each_epoch_is_in_a_table(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    flags = ("--dataset=npz:data", "--train-portion=.75", "--keep=best-validation", "--num-epochs=4", "--drop-path=0")
    assert main(["--genotype=genotype.txt", *SMALL, *flags]) == 0
    _, *lines = capfd.readouterr().out.splitlines()
    accuracies = [metrics(line)["Validation-Accuracy"] for line in lines]
    record = json.loads((folder / "output/network.json").read_text())
    assert record["epoch"] == 1 + accuracies.index(max(accuracies)) < 4
    assert record["metrics"]["Validation-Accuracy"] == pytest.approx(max(accuracies), abs=1e-5)

    images = datasets.load("npz:data", None)
    _, held_out = datasets.split(images, 0.75, seeds.generator(seeds.COMMON_SEED, "held out"))
    found_b = predictor.load(folder / "output").probabilities(held_out.images_nchw).argmax(dim=1)
    assert float((found_b == held_out.labels_n).double().mean()) == pytest.approx(max(accuracies), abs=1e-5)

    with (folder / "output/epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation_accuracy"]) for row in rows] == pytest.approx(accuracies, abs=1e-5)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert list((folder / "output/tensorboard").iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=digits"], "dataset: 'digits' is not allowed: it has no test images: .* --train-portion .8"),
        (["--dataset=npz:data", "--cutout=16"], "cutout: 16 is not allowed: the images have 8x8 pixels"),
        (
            ["--dataset=npz:data", "--image-size=2"],
            r"--auxiliary-weight: 0.4 is not allowed: images of 2x2 end as maps of 1x1, too small for a second",
        ),
        (["--dataset=npz:data", "--batch-size=1"], "--batch-size: 1 is not allowed: .* it must be at least 2"),
        (
            ["--dataset=npz:data", "--keep=best-validation"],
            "--keep: best-validation is not allowed: no images",
        ),
        (["--dataset=npz:data", "--learning-rate=fast"], "--learning-rate: 'fast' is not allowed"),
    ],
)
def test_what_cannot_work_is_refused_before_the_training(folder, monkeypatch, capfd, flags, message):
    monkeypatch.chdir(folder)
    assert main(["--genotype=genotype.txt", *SMALL, *flags]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert re.search(f"^error: {message}", captured.err, re.MULTILINE), captured.err


def test_images_too_small_for_a_second_classifier_work_without(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert (
        main(["--genotype=genotype.txt", *SMALL, "--dataset=npz:data", "--image-size=2", "--auxiliary-weight=0"]) == 0
    )
