from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from trial_runtime import datasets
from trial_runtime.datasets import DatasetError, load, split, subset
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
    "name", ["", "CIFAR10", "mnist", "cifar10:2", "digits:", "npz", "npz:", "fake:", "fake:0", "fake:-1", "fake:x"]
)
def test_unknown_names_are_refused(name, tmp_path):
    with pytest.raises(DatasetError, match=r"dataset: '.*' is not allowed: .*(cifar10, digits, npz:PATH|from 1 to)"):
        load(name, tmp_path)


def test_cifar10_that_cannot_be_downloaded_says_how_to_give_it(tmp_path):
    file = tmp_path / "file"
    file.write_text("")

    with pytest.raises(DatasetError, match=r"cannot be downloaded.*KATIB_NAS_DATA_DIR.*npz:PATH") as caught:
        load("cifar10", file / "data")

    assert "\n" not in str(caught.value)


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
