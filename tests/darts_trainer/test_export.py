import json
import logging

import pytest
import torch

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import forms
from darts_trainer import predictor
from darts_trainer.export import main
from darts_trainer.predictor import Predictor
from trial_runtime.images.batches import Normalisation

LAYOUT = Layout(num_layers=2, num_nodes=1, init_channels=2, stem_multiplier=1, image_channels=1, num_classes=5)
GENOTYPE = forms.read(
    "Genotype(normal=[[('dilated_convolution_3x3',0),('avg_pooling_3x3',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)


# The exporter of torch 2.10 says so of itself.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_the_exported_graph_classifies_any_number_of_images_as_the_network_does(tmp_path, capfd, caplog):
    """Odd sizes, where reductions round up; both pools, whose borders differ."""
    onnxruntime = pytest.importorskip("onnxruntime")
    network = Network(GENOTYPE, LAYOUT, generator=torch.Generator().manual_seed(0))
    normalisation = Normalisation(mean_c=torch.tensor([0.3]), std_c=torch.tensor([0.2]))
    trained = Predictor(network, normalisation, (1, 7, 9), [*"abcd", "é"])
    network.train()(torch.randn(4, 1, 7, 9))
    predictor.save(tmp_path, trained.eval(), GENOTYPE, LAYOUT, {})

    with caplog.at_level(logging.INFO):
        assert main([str(tmp_path), "-o", str(tmp_path / "out/model.onnx")]) == 0

    assert capfd.readouterr().out == ""
    assert "run by onnxruntime: within" in caplog.text
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == [*"abcd", "é"]
    for count in (1, 7):
        images_bchw = torch.randint(256, (count, 1, 7, 9), dtype=torch.uint8)
        (logits_bk,) = session.run(["logits"], {"images": images_bchw.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(logits_bk), trained(images_bchw), rtol=1e-4, atol=1e-4)


def test_a_folder_without_a_network_is_one_line_and_exit_code_2(tmp_path, capfd):
    assert main([str(tmp_path), "-o", str(tmp_path / "model.onnx")]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {tmp_path}/network.json is missing")
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "model.onnx").exists()
