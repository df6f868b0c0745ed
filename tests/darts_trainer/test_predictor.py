import json

import pytest
import torch

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import forms
from darts_trainer import predictor
from darts_trainer.predictor import Predictor, SavedNetworkError, WrongImages
from trial_runtime.images.batches import Normalisation

LAYOUT = Layout(num_layers=2, num_nodes=4, init_channels=2, stem_multiplier=1, image_channels=3, num_classes=5)


@pytest.fixture
def saved(example, tmp_path):
    """A network whose statistics are those of some images, and its folder."""
    generator = torch.Generator().manual_seed(0)
    network = Network(forms.read(example), LAYOUT, generator=generator, auxiliary_image_size=(9, 12))
    normalisation = Normalisation(mean_c=torch.tensor([0.1, 0.5, 0.7]), std_c=torch.tensor([0.2, 0.3, 1.0]))
    trained = Predictor(network, normalisation, (3, 9, 12))
    network.train()(torch.randn(4, 3, 9, 12, generator=generator))
    predictor.save(tmp_path, trained, forms.read(example), LAYOUT, {"seed": 3})
    return trained.eval(), tmp_path


def images(count=3):
    return torch.randint(256, (count, 3, 9, 12), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_a_folder_holds_all_that_is_needed_to_classify(saved, example):
    trained, folder = saved
    loaded = predictor.load(folder)
    assert torch.equal(loaded.probabilities(images()), trained.probabilities(images()))
    assert loaded.probabilities(images()).sum(dim=1).tolist() == pytest.approx([1, 1, 1])
    assert loaded.image_shape == (3, 9, 12)
    # What helps to train alone is left out.
    assert loaded.network.auxiliary_head is None
    description = json.loads((folder / "network.json").read_text())
    assert (
        forms.read(description["genotype"]) == forms.read((folder / "network.json").read_text()) == forms.read(example)
    )
    assert (description["network"]["format"], description["seed"]) == (1, 3)


def test_pixels_are_normalised_inside(saved):
    trained, _ = saved
    x_bchw = images().float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in ([0.1, 0.5, 0.7], [0.2, 0.3, 1.0]))
    with torch.no_grad():
        torch.testing.assert_close(trained(images()), trained.network((x_bchw - mean) / std))


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3, 9, 12), torch.zeros(2, 3, 12, 9, dtype=torch.uint8)])
def test_other_images_are_refused(saved, wrong):
    trained, _ = saved
    with pytest.raises(WrongImages, match=r"uint8 of shape \(B, \*\(3, 9, 12\)\)"):
        trained.probabilities(wrong)


def change(file, **changes):
    description = json.loads(file.read_text())
    file.write_text(json.dumps(description | {"network": description["network"] | changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "network.json").unlink(), r"network.json is missing: it must be a folder that"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda folder: (folder / "network.json").write_text("{"), "describes no network: genotype: line 1"),
        (lambda folder: change(folder / "network.json", format=2), "does not describe a network in format 1"),
        (lambda folder: change(folder / "network.json", layout={}), "describes no network"),
        (lambda folder: (folder / "network.json").write_text("{}"), "describes no network: genotype: fields"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"x" * 99), "weights.safetensors is damaged"),
    ],
)
def test_files_that_are_missing_or_damaged_are_named(saved, damage, message):
    _, folder = saved
    damage(folder)
    with pytest.raises(SavedNetworkError, match=message):
        predictor.load(folder)


def test_weights_of_another_network_are_refused(saved):
    _, folder = saved
    layout = json.loads((folder / "network.json").read_text())["network"]["layout"]
    change(folder / "network.json", layout=layout | {"init_channels": 3})
    with pytest.raises(SavedNetworkError, match=r"weights of network\.json: size mismatch for stem\.0\.weight"):
        predictor.load(folder)
