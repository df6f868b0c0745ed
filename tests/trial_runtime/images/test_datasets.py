from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from trial_runtime.images import datasets
from trial_runtime.images.datasets import DatasetError, load, load_test, split, subset
from trial_runtime.seeds import generator


def test_digits_are_the_scans_scaled_up():
    digits = load("digits", None)
    scans = load_digits()

    assert digits.images_nchw.shape == (1797, 1, 32, 32)
    assert (digits.num_classes, digits.may_flip) == (10, False)
    assert digits.labels_n.tolist() == scans.target.tolist()
    # A block of 4 x 4 pixels lies around each scanned pixel; bilinear interpolation keeps a flat region as it is.
    corners = torch.from_numpy(scans.images[:, 0, 0] * 255 / 16).round().to(torch.uint8)
    assert torch.equal(digits.images_nchw[:, 0, 0, 0], corners)
    assert int(digits.images_nchw.max()) == 255


def test_fake_images_are_the_same_each_time():
    first, second = load("fake", None), load("fake:512", None)

    assert first.images_nchw.shape == (512, 3, 32, 32)
    assert torch.equal(first.images_nchw, second.images_nchw)
    assert load("fake:7", None).labels_n.tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "CIFAR10",
        "mnist",
        "svhn:2",
        "digits:",
        "npz",
        "npz:",
        "imagefolder",
        "imagefolder:",
        "fake:",
        "fake:0",
        "fake:x",
    ],
)
def test_unknown_names_are_refused(name, tmp_path):
    known = "cifar10, cifar100, svhn, fashion-mnist, digits, imagefolder:PATH, npz:PATH"
    with pytest.raises(DatasetError, match=rf"dataset: '.*' is not allowed: .*({known}|from 1 to)"):
        load(name, tmp_path)


def test_the_default_folder_is_a_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert datasets.default_data_dir() == tmp_path / "katib-nas"

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert datasets.default_data_dir() == Path.home() / ".cache" / "katib-nas"


@pytest.fixture
def numbered(tmp_path):
    """Forty images, each with a pixel value of its own."""
    x = np.arange(40, dtype=np.uint8).reshape(40, 1, 1).repeat(2, axis=1).repeat(3, axis=2)
    np.savez(tmp_path / "numbered.npz", x=x, y=np.arange(40) % 3)
    return load("npz:numbered.npz", tmp_path)


def _identities(dataset):
    return dataset.images_nchw[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(("fraction", "first_size"), [(0.5, 20), (0.25, 10), (0.001, 1), (0.999, 39)])
def test_a_split_is_disjoint_and_keeps_each_image_with_its_label(numbered, fraction, first_size):
    first, second = split(numbered, fraction, generator(0, "split"))

    assert len(first) == first_size
    assert sorted(_identities(first) + _identities(second)) == list(range(40))
    for part in (first, second):
        assert part.labels_n.tolist() == [identity % 3 for identity in _identities(part)]
        assert part.num_classes == 3


def test_a_split_is_random_and_repeatable(numbered):
    first, _ = split(numbered, 0.5, generator(0, "split"))

    assert _identities(first) == _identities(split(numbered, 0.5, generator(0, "split"))[0])
    assert _identities(first) != _identities(split(numbered, 0.5, generator(1, "split"))[0])
    assert sorted(_identities(first)) != list(range(20))


def test_one_image_cannot_be_divided():
    with pytest.raises(DatasetError, match="at least 2 images"):
        split(load("fake:1", None), 0.5, generator(0, "split"))


def test_a_subset_is_random_and_keeps_the_classes(numbered):
    part = subset(numbered, 5, generator(0, "subset"))

    assert len(set(_identities(part))) == 5
    assert _identities(part) != list(range(5))
    assert part.num_classes == 3
    assert subset(numbered, None, generator(0, "subset")) is numbered
    assert subset(numbered, 40, generator(0, "subset")) is numbered


def test_images_are_drawn_while_they_are_loaded(numbered, tmp_path):
    drawn = load("npz:numbered.npz", tmp_path, max_images=5, generator=generator(0, "subset"))

    assert _identities(drawn) == _identities(subset(numbered, 5, generator(0, "subset")))


def test_images_are_scaled_until_they_cover_the_size_and_cut_evenly(tmp_path):
    """Stripes of 4 columns of 12: the middle ones fill a square."""
    x = np.repeat(np.array([[0] * 4 + [100] * 4 + [200] * 4], dtype=np.uint8), 4, axis=0)
    np.savez(tmp_path / "stripes.npz", x=np.stack([x, x.T[:4].repeat(3, axis=1)]), y=np.arange(2))

    larger = load("npz:stripes.npz", tmp_path, size=(10, 10))
    smaller = load("npz:stripes.npz", tmp_path, size=(2, 6))

    assert larger.images_nchw.shape == (2, 1, 10, 10)
    assert larger.images_nchw[0].unique().tolist() == [100]
    # Nothing is cut off: bilinear weights 1, 3, 3, 1 over the stripes, and less of them at the ends.
    assert smaller.images_nchw[0, 0].tolist() == [[0, 13, 88, 113, 188, 200]] * 2
    assert load("npz:stripes.npz", tmp_path, size=(4, 12)).image_shape == (1, 4, 12)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_image_may_become_a_single_pixel(tmp_path, channels):
    x = np.random.default_rng(0).integers(256, size=(3, 8, 8, channels), dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", x=x, y=np.arange(3))

    means_nc = load("npz:noise.npz", tmp_path, size=(1, 1)).images_nchw[:, :, 0, 0]

    assert np.abs(means_nc.numpy() - x.mean(axis=(1, 2))).max() < 15


def test_scaling_averages_what_becomes_one_pixel(tmp_path):
    x = np.random.default_rng(0).integers(256, size=(1100, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", x=x, y=np.arange(1100) % 2)

    smaller = load("npz:noise.npz", tmp_path, size=(2, 2)).images_nchw.float()

    # Uniform levels have the deviation 73.9; a mean over a triangle of 15 x 15 pixels has a tenth of it or so.
    assert smaller.mean() == pytest.approx(127.5, abs=1)
    assert 5 < float(smaller.std()) < 12


@pytest.mark.parametrize("name", ["digits", "fake", "fake:3"])
def test_data_without_test_images_are_refused_by_name(name):
    with pytest.raises(DatasetError, match=f"dataset: '{name}' is not allowed: it has no test images: npz:PATH"):
        load_test(load(name, None), None)
