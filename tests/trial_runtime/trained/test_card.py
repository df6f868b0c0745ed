"""What a model card says, and that what it tells to type runs."""

import contextlib
import io
import json
import re
from itertools import product

import pytest
import torch
from PIL import Image
from torch import nn

from trial_runtime.images.batches import Normalisation
from trial_runtime.trained import card, graph, onnx_file, program_file
from trial_runtime.trained.classifier import Predictor
from trial_runtime.trained.graph import Graph
from trial_runtime.trained.latency import Latency

# The exporter of torch 2.10 says so of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")

RECORD = {
    "architecture": [[0]],
    "macro_network": {"normalisation": {"mean": [0.25], "std": [0.5]}, "class_names": ["cat", "dog"]},
    "dataset": "npz:pets",
    "num_images": {"training": 90, "held_out": 0, "test": 10},
    "metrics": {"Train-Accuracy": 0.875, "Test-Accuracy": 0.75},
    "parameters": 12345,
    "multiply_adds": 67890,
    "settings": {"num_epochs": 3},
    "versions": {"torch": "2.10"},
    "precision": "fp32",
    "seed": 1,
    "device": "cpu",
}
SEARCH = {
    "experiment": "pets", "source": "run in runs/pets", "trial": "pets-0002", "algorithm": "enas", "num_trials": 5,
    "objective": "maximize Validation-Accuracy", "seed": 7, "metrics": {"Validation-Accuracy": "0.7"},
    "versions": {"torch": "2.10"}, "manifest": {"kind": "Experiment"}, "command": "katib-nas run pets.yaml --seed 7",
}  # fmt: skip
LATENCY = Latency(median_ms=1.5, lower_ms=1.4, upper_ms=1.6, num_runs=99, engine="an engine", device="a device")


class Step(nn.Module):
    """A network with a state, as a language model has one."""

    def forward(self, words_b, state_lbh):
        return state_lbh.sum(dim=(0, 2))[:, None] + words_b[:, None], state_lbh + 1


def of_pictures():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(3 * 5 * 7, 2))
    normalisation = Normalisation(mean_c=torch.tensor([0.25]), std_c=torch.tensor([0.5]))
    return graph.of_pictures(Predictor(network, normalisation, (1, 7, 9), ["cat", "dog"]).eval())


def of_text():
    def draw(size, generator):
        return torch.randint(9, (size,), generator=generator), torch.rand(2, size, 3, generator=generator)

    return Graph(network=Step().eval(), inputs={"words": 0, "state": 1}, outputs=("logits", "next_state"), draw=draw)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "network.json").write_text(json.dumps(RECORD))
    return tmp_path


def test_it_says_what_the_network_is_and_where_it_comes_from(folder):
    (folder / "search.json").write_text(json.dumps(SEARCH))
    card.write(folder / "card.md", folder, of_pictures(), folder / "model.onnx", [LATENCY])
    text = (folder / "card.md").read_text()
    for said in (
        "# pets: a network of layers with joins",
        "input `images`: uint8, (B, 1, 7, 9)",
        "output `logits`: float32, (B, 2)",
        "mean [0.25] and standard deviation [0.5]",
        "classes: 2, cat, dog",
        "data set: `npz:pets`, 90 images to learn from and 0 held out",
        "Test-Accuracy: 0.75, on 10 images",
        "Train-Accuracy: 0.875, on 90 images",
        "parameters: 12,345",
        "multiply-adds of one example: 67,890",
        "measured where this was written: 1.5 ms (quartiles 1.4 and 1.6 ms, 99 runs) by an engine on a device",
        "trial pets-0002: Validation-Accuracy 0.7",
        "seed: 7",
        '"kind": "Experiment"',
        "again: `katib-nas run pets.yaml --seed 7`",
    ):
        assert said in text


def test_without_search_and_latency_it_says_so(folder):
    card.write(folder / "card.md", folder, of_pictures(), folder / "model.onnx", [])
    text = (folder / "card.md").read_text()
    assert "latency: not measured" in text
    assert "Not known: it was not trained by `katib-nas train`" in text


@pytest.mark.parametrize(("make", "form"), list(product([of_pictures, of_text], ["onnx", "pt2"])))
def test_what_it_tells_to_type_runs_and_has_ten_lines(folder, monkeypatch, make, form):
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    exported = make()
    writers = {"onnx": onnx_file.write, "pt2": program_file.write}
    (folder / f"model.{form}").write_bytes(writers[form](exported))
    Image.new("L", (12, 10), 99).save(folder / "picture.png")
    card.write(folder / "card.md", folder, exported, folder / f"model.{form}", [])

    (code,) = re.findall(r"```python\n(.*?)```", (folder / "card.md").read_text(), re.DOTALL)
    assert code.count("\n") <= 10
    monkeypatch.chdir(folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "card.md", "exec"), {})
    assert re.search(r"\d\.", printed.getvalue())
