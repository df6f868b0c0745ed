import hashlib
import pickle

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from trial_runtime.datasets import load


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Five tiny batches in the format of the archive, and torchvision told their checksums."""
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()

    def write(name, content):
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    draw = np.random.default_rng(0)
    pixels = draw.integers(256, size=(10, 3, 32, 32), dtype=np.uint8)
    batches = [
        (name, write(name, {"data": pixels[2 * i : 2 * i + 2].reshape(2, -1), "labels": [2 * i, 2 * i + 1]}))
        for i, (name, _) in enumerate(CIFAR10.train_list)
    ]
    test = [(name, write(name, {"data": pixels[:1].reshape(1, -1), "labels": [0]})) for name, _ in CIFAR10.test_list]
    names = write("batches.meta", {"label_names": [str(label) for label in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", batches)
    monkeypatch.setattr(CIFAR10, "test_list", test)
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": names})
    return tmp_path, pixels


@pytest.mark.fault(22)
def test_the_training_batches_are_read_and_no_others(archive, capfd):
    folder, pixels = archive

    dataset = load("cifar10", folder)

    assert torch.equal(dataset.images_nchw, torch.from_numpy(pixels))
    assert dataset.labels_n.tolist() == list(range(10))
    assert (dataset.num_classes, dataset.may_flip, dataset.image_shape) == (10, True, (3, 32, 32))
    assert capfd.readouterr().out == ""


def test_a_folder_that_holds_the_data_may_be_read_only(archive):
    folder, _ = archive
    before = sorted(folder.rglob("*"))

    load("cifar10", folder)

    assert sorted(folder.rglob("*")) == before
