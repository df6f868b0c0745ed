"""Files of a trained network, each run beside the network, in every form."""

import json

import pytest
import torch
from torch import nn

from trial_runtime.images.batches import Normalisation
from trial_runtime.trained import graph, latency, onnx_file, program_file
from trial_runtime.trained.classifier import Predictor
from trial_runtime.trained.graph import ExportError

# The exporter of torch 2.10 says so of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


@pytest.fixture(scope="module")
def exported():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3 * 5 * 7, 4))
    network.to(memory_format=torch.channels_last)
    normalisation = Normalisation(mean_c=torch.tensor([0.3]), std_c=torch.tensor([0.2]))
    return graph.of_pictures(Predictor(network, normalisation, (1, 7, 9), [*"abc", "é"]).eval())


def test_a_program_computes_what_the_network_does_for_any_number_of_images(exported):
    run = program_file.runner(program_file.write(exported))
    for size in (1, 2, 9):
        inputs = exported.examples(size, seed=3)
        torch.testing.assert_close(run(inputs), exported.run(inputs), rtol=1e-5, atol=1e-5)


def test_a_program_holds_the_names_of_the_classes(exported, tmp_path):
    (tmp_path / "model.pt2").write_bytes(program_file.write(exported))
    inside = {"class_names": ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=inside)
    assert json.loads(inside["class_names"]) == [*"abc", "é"]


def test_a_file_of_another_network_is_refused(exported):
    file = program_file.write(exported)
    weight = exported.network.network[3].weight
    with torch.no_grad():
        weight.mul_(2)
    with pytest.raises(ExportError, match="differs from the network by"):
        exported.check(program_file.runner(file))
    with torch.no_grad():
        weight.div_(2)
    assert exported.check(program_file.runner(file)) < 1e-5


def test_a_network_that_computes_no_numbers_is_refused(exported):
    with pytest.raises(ExportError, match="by nan"):
        exported.check(lambda inputs: [exported.run(inputs)[0] * (float("nan") if len(inputs[0]) > 1 else 1)])


def test_the_latency_is_a_median_of_many_runs_of_an_onnx_file(exported, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(latency, "MEASURED_S", 0.0)
    monkeypatch.setattr(latency, "WARM_UP_S", 0.0)
    found = latency.measure(exported, torch.device("cpu"), onnx_file.write(exported))
    assert 0 < found.lower_ms <= found.median_ms <= found.upper_ms
    assert found.num_runs == latency.MIN_RUNS
    assert "ONNX Runtime" in found.engine
    assert "one thread" in str(found)
    assert found.device == latency.cpu_name() != ""
