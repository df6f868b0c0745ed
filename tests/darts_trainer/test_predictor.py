import json
from dataclasses import replace

import numpy
import pytest
import torch
from PIL import Image

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import forms
from darts_trainer import predict, predictor
from darts_trainer.predictor import Predictor, SavedNetworkError, WrongImages
from trial_runtime.errors import DatasetError
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


def test_pictures_are_classified_as_their_pixels_are(saved, tmp_path):
    trained, _ = saved
    files = []
    for index, image_chw in enumerate(images(2)):
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(image_chw.permute(1, 2, 0).numpy()).save(files[-1])
    expected = trained.probabilities(images(2))
    assert torch.equal(trained.probabilities([str(file) for file in files]), expected)
    with Image.open(files[0]) as opened:
        assert torch.equal(trained.probabilities([opened, files[1]]), expected)
    # One alone, and of any size or kind.
    assert torch.equal(trained.probabilities(files[1]), expected[1:])
    assert trained.probabilities(Image.new("L", (40, 30), 200)).shape == (1, 5)
    with pytest.raises(DatasetError, match="it must be an intact picture"):
        trained.probabilities(tmp_path / "none.png")


def test_a_grey_network_takes_coloured_pictures(example):
    layout = replace(LAYOUT, image_channels=1)
    network = Network(forms.read(example), layout, generator=torch.Generator().manual_seed(0))
    normalisation = Normalisation(mean_c=torch.tensor([0.5]), std_c=torch.tensor([0.2]))
    trained = Predictor(network, normalisation, (1, 9, 12)).eval()
    picture = Image.fromarray(numpy.full((9, 12, 3), 80, dtype=numpy.uint8))
    expected = trained.probabilities(torch.full((1, 1, 9, 12), 80, dtype=torch.uint8))
    assert torch.equal(trained.probabilities(picture), expected)


def test_names_of_classes_are_kept_and_printed(saved, example, tmp_path, capsys):
    trained, folder = saved
    names = ("ant", "bee", "cat", "dog", "Käfer")
    named = Predictor(trained.network, Normalisation(mean_c=trained.mean_c, std_c=trained.std_c), (3, 9, 12), names)
    predictor.save(folder, named, forms.read(example), LAYOUT, {})
    loaded = predictor.load(str(folder))
    assert loaded.class_names == names

    Image.new("RGB", (24, 18), (10, 200, 30)).save(tmp_path / "a b.png")
    assert predict.main([str(folder), str(tmp_path / "a b.png"), "--top", "2"]) == 0
    probability_k = loaded.probabilities(tmp_path / "a b.png")[0]
    first, second = probability_k.argsort(descending=True)[:2].tolist()
    expected = f"{names[first]} {probability_k[first]:.3f}, {names[second]} {probability_k[second]:.3f}"
    assert capsys.readouterr().out == f"{tmp_path / 'a b.png'}: {expected}\n"

    assert predict.main([str(folder), str(tmp_path / "none.png")]) == 2
    assert "it must be an intact picture" in capsys.readouterr().err


def test_a_network_without_names_has_numbers(saved, tmp_path, capsys):
    _, folder = saved
    Image.new("RGB", (12, 9)).save(tmp_path / "a.png")
    assert predict.main([str(folder), str(tmp_path / "a.png"), "--top", "9"]) == 0
    line = capsys.readouterr().out.removeprefix(f"{tmp_path / 'a.png'}: ")
    assert sorted(part.split()[0] for part in line.split(",")) == ["0", "1", "2", "3", "4"]


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
        (lambda folder: change(folder / "network.json", class_names=["a"]), "1 class_names are not allowed: it has 5"),
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
