"""Trainings of a macro network by their command line, from images to a network that classifies."""

import json
import os
import re

import numpy
import pytest
import torch

from enas_trainer import predictor
from enas_trainer.export import main as export
from enas_trainer.retrain import main
from trial_runtime.program import EXIT_WRONG_INPUT

SMALL = ("--num-epochs=2", "--batch-size=8", "--dropout=.2", "--device=cpu", "--seed=1", "--first-restart=2")


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    for name in [name for name in os.environ if name.startswith("KATIB_NAS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)


def metrics(line):
    return {name: float(value) for name, value in re.findall(r"([\w-]+)=(\S+)", line)}


@pytest.fixture
def trained(network_flags, folder, capfd):
    assert main([*network_flags, *SMALL, "--dataset=npz:data", "--learning-rate=.1"]) == 0
    return capfd.readouterr().out.splitlines()


def test_the_test_images_are_classified_once_after_training_on_all_others(trained, folder):
    cost, first, second, last = trained
    assert metrics(cost).keys() == {"Parameters", "MACs"}
    assert metrics(first).keys() == metrics(second).keys() == {"Train-Loss", "Train-Accuracy"}
    assert metrics(last).keys() == {"Test-Loss", "Test-Accuracy"}
    record = json.loads((folder / "output/network.json").read_text())
    assert record["metrics"]["Test-Accuracy"] == pytest.approx(metrics(last)["Test-Accuracy"], abs=1e-5)
    assert record["num_images"] == {"training": 64, "held_out": 0, "test": 20}
    assert (record["epochs"][1]["epoch"], record["settings"]["dropout"], record["seed"]) == (2, 0.2, 1)

    # What was written classifies as the run did.
    images = numpy.load(folder / "data/test.npz")
    loaded = predictor.load(folder / "output")
    found_b = loaded.probabilities(torch.from_numpy(images["x"])[:, None]).argmax(dim=1)
    accuracy = float((found_b == torch.from_numpy(images["y"])).double().mean())
    assert accuracy == pytest.approx(metrics(last)["Test-Accuracy"], abs=1e-5)
    assert (folder / "output/epochs.csv").read_text().count("\n") == 3


def test_the_same_command_goes_on_and_ends_at_the_same_weights(trained, network_flags, folder, capfd):
    whole = (folder / "output/weights.safetensors").read_bytes()
    flags = [*network_flags, *SMALL, "--dataset=npz:data", "--learning-rate=.1", "--output-dir=again"]
    killed = pytest.MonkeyPatch()
    with killed.context() as patched:
        patched.setattr("trial_runtime.retraining.trial._Trial._test", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(flags)
    assert not (folder / "again/network.json").exists()
    assert main(flags) == 0
    assert (folder / "again/weights.safetensors").read_bytes() == whole
    assert main([*flags, "--dropout=.3"]) == EXIT_WRONG_INPUT
    assert "settings.dropout is 0.2 there and 0.3 here" in capfd.readouterr().err


def test_with_images_held_out_test_images_are_left_alone(network_flags, folder, capfd):
    (folder / "data/test.npz").write_text("nobody reads this")
    flags = ("--dataset=npz:data", "--train-portion=.75", "--precision=bf16", "--keep=best-validation", "--width=2")
    assert main([*network_flags, *SMALL, *flags]) == 0
    cost, first, _ = capfd.readouterr().out.splitlines()
    assert metrics(first).keys() == {"Train-Loss", "Train-Accuracy", "Validation-Loss", "Validation-Accuracy"}
    record = json.loads((folder / "output/network.json").read_text())
    assert record["nn_config"]["embedding"]["0"]["opt_params"]["num_filter"] == 12
    assert (
        record["parameters"]
        == metrics(cost)["Parameters"]
        == sum(weight.numel() for weight in predictor.load(folder / "output").parameters())
    )


# The exporter of torch 2.10 says so of itself.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_the_exported_graph_classifies_as_the_network_does(trained, folder, caplog):
    onnxruntime = pytest.importorskip("onnxruntime")
    with caplog.at_level("INFO"):
        assert export(["output", "-o", "model.onnx"]) == 0
    assert "run by onnxruntime: within" in caplog.text
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    images = numpy.load(folder / "data/test.npz")["x"][:, None]
    (logits_bk,) = session.run(["logits"], {"images": images})
    with torch.no_grad():
        expected_bk = predictor.load("output")(torch.from_numpy(images))
    torch.testing.assert_close(torch.from_numpy(logits_bk), expected_bk, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=digits", "--image-size=8"], "dataset: 'digits' is not allowed: it has no test images"),
        (["--dataset=npz:data", "--image-size=9"], r"nn_config.input_sizes: \[8, 8, 1\] is not allowed"),
        (["--dataset=npz:data", "--batch-size=1"], "--batch-size: 1 is not allowed"),
    ],
)
def test_what_cannot_work_is_refused_before_the_training(network_flags, capfd, flags, message):
    assert main([*network_flags, *SMALL, *flags]) == EXIT_WRONG_INPUT
    captured = capfd.readouterr()
    assert captured.out == ""
    assert re.search(f"^error: {message}", captured.err, re.MULTILINE), captured.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "network.json").unlink(), "network.json is missing"),
        (lambda folder: (folder / "network.json").write_text("[]"), "describes no macro network"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"no"), "weights.safetensors is damaged"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors is missing"),
    ],
)
def test_files_that_hold_no_network_are_refused(trained, folder, change, message):
    change(folder / "output")
    with pytest.raises(predictor.SavedNetworkError, match=message):
        predictor.load(folder / "output")
