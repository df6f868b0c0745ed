"""Small files in the official formats; torchvision is told their checksums in place of the official ones."""

import gzip
import hashlib
import os
import pickle
import struct

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets as torchvisions

from trial_runtime.images.datasets import DatasetError, load, load_test

DRAW = np.random.default_rng(0)


def _md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def _write_cifar(folder, monkeypatch, source, files, label_key, num_classes):
    """Write files of flat images; return the pixels by the file's name."""
    (folder / source.base_folder).mkdir()

    def write(name, content):
        path = folder / source.base_folder / name
        path.write_bytes(pickle.dumps(content))
        return name, _md5(path)

    pixels = {name: DRAW.integers(256, size=(len(labels), 3, 32, 32), dtype=np.uint8) for name, labels in files.items()}
    lists = {"train": [], "test": []}
    for name, labels in files.items():
        content = {"data": pixels[name].reshape(len(labels), -1), label_key: labels}
        lists["test" if name.startswith("test") else "train"].append(write(name, content))
    names = {source.meta["key"]: [str(label) for label in range(num_classes)]}
    _, checksum = write(source.meta["filename"], names)
    monkeypatch.setattr(source, "train_list", lists["train"])
    monkeypatch.setattr(source, "test_list", lists["test"])
    monkeypatch.setattr(source, "meta", source.meta | {"md5": checksum})
    return pixels


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    files = {f"data_batch_{i + 1}": [2 * i, 2 * i + 1] for i in range(5)} | {"test_batch": [9, 0, 3]}
    return _write_cifar(tmp_path, monkeypatch, torchvisions.CIFAR10, files, "labels", 10)


@pytest.fixture
def cifar100(tmp_path, monkeypatch):
    files = {"train": [99, 0, 42], "test": [7]}
    return _write_cifar(tmp_path, monkeypatch, torchvisions.CIFAR100, files, "fine_labels", 100)


@pytest.fixture
def svhn(tmp_path, monkeypatch):
    """MATLAB files: rows, columns, channels, images; the digit 0 has the label 10."""
    pixels, splits = {}, {}
    for split, labels in {"train": [10, 1, 9, 10], "test": [2, 10]}.items():
        path = tmp_path / f"{split}_32x32.mat"
        pixels[split] = DRAW.integers(256, size=(len(labels), 3, 32, 32), dtype=np.uint8)
        content = {"X": pixels[split].transpose(2, 3, 1, 0), "y": np.array(labels, dtype=np.uint8)[:, np.newaxis]}
        savemat(path, content, do_compression=True)
        splits[split] = ["http://no.such.host.invalid/", path.name, _md5(path)]
    monkeypatch.setattr(torchvisions.SVHN, "split_list", splits)
    return pixels


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """The four archives of idx files, as they are published."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    pixels, resources = {}, []

    def write(name, magic, array):
        content = struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
        (raw / f"{name}.gz").write_bytes(gzip.compress(content))
        resources.append((f"{name}.gz", _md5(raw / f"{name}.gz")))

    for part, labels in {"train": [9, 0, 5, 5, 1], "t10k": [3, 9]}.items():
        pixels[part] = DRAW.integers(256, size=(len(labels), 28, 28), dtype=np.uint8)
        write(f"{part}-images-idx3-ubyte", 0x803, pixels[part])
        write(f"{part}-labels-idx1-ubyte", 0x801, np.array(labels, dtype=np.uint8))
    monkeypatch.setattr(torchvisions.FashionMNIST, "resources", resources)
    monkeypatch.setattr(torchvisions.FashionMNIST, "mirrors", ["http://no.such.host.invalid/"])
    return pixels


def _assert_equal(dataset, pixels_nchw, labels):
    assert torch.equal(dataset.images_nchw, torch.from_numpy(pixels_nchw))
    assert dataset.labels_n.tolist() == labels
    assert dataset.labels_n.dtype == torch.int64


@pytest.mark.fault(22)
def test_cifar10_trains_on_its_training_batches_alone(cifar10, tmp_path, capfd):
    dataset = load("cifar10", tmp_path)

    _assert_equal(dataset, np.concatenate([cifar10[f"data_batch_{i + 1}"] for i in range(5)]), list(range(10)))
    assert (dataset.num_classes, dataset.may_flip, dataset.image_shape) == (10, True, (3, 32, 32))
    _assert_equal(load_test(dataset, tmp_path), cifar10["test_batch"], [9, 0, 3])
    assert capfd.readouterr().out == ""


def test_cifar100_has_its_fine_labels(cifar100, tmp_path):
    dataset = load("cifar100", tmp_path)

    _assert_equal(dataset, cifar100["train"], [99, 0, 42])
    assert (dataset.num_classes, dataset.may_flip) == (100, True)
    _assert_equal(load_test(dataset, tmp_path), cifar100["test"], [7])


def test_the_digit_0_of_svhn_has_the_label_0(svhn, tmp_path):
    dataset = load("svhn", tmp_path)

    _assert_equal(dataset, svhn["train"], [0, 1, 9, 0])
    assert (dataset.num_classes, dataset.may_flip) == (10, False)
    _assert_equal(load_test(dataset, tmp_path), svhn["test"], [2, 0])


def test_fashion_mnist_is_grey_and_its_archives_are_unpacked(fashion, tmp_path, capfd):
    dataset = load("fashion-mnist", tmp_path)

    _assert_equal(dataset, fashion["train"][:, np.newaxis], [9, 0, 5, 5, 1])
    assert (dataset.num_classes, dataset.may_flip, dataset.image_shape) == (10, True, (1, 28, 28))
    _assert_equal(load_test(dataset, tmp_path), fashion["t10k"][:, np.newaxis], [3, 9])
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn", "fashion"])
def test_a_folder_that_holds_the_unpacked_data_is_not_written_to(name, request, tmp_path):
    request.getfixturevalue(name)
    for archive in tmp_path.rglob("*.gz"):
        archive.with_suffix("").write_bytes(gzip.decompress(archive.read_bytes()))
        archive.unlink()
    before = sorted(tmp_path.rglob("*"))

    load("fashion-mnist" if name == "fashion" else name, tmp_path)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn", "fashion-mnist"])
def test_data_that_cannot_be_downloaded_say_how_to_give_them(name, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(DatasetError, match=r"cannot be downloaded.*KATIB_NAS_DATA_DIR.*npz:PATH") as caught:
        load(name, tmp_path / "file" / "data")

    assert "\n" not in str(caught.value)
    assert str(caught.value).count("is not allowed") == 1


class _Harm:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(("name", "file"), [("cifar10", "data_batch_3"), ("cifar100", "train")])
def test_a_pickle_without_the_official_checksum_is_never_opened(name, file, request, tmp_path, monkeypatch):
    request.getfixturevalue(name)
    source = {"cifar10": torchvisions.CIFAR10, "cifar100": torchvisions.CIFAR100}[name]
    monkeypatch.setattr(source, "url", "http://no.such.host.invalid/")
    (tmp_path / source.base_folder / file).write_bytes(pickle.dumps(_Harm(tmp_path / "harm")))

    with pytest.raises(DatasetError, match=f"dataset: '{name}' is not allowed: it is not whole in .* be downloaded"):
        load(name, tmp_path)

    assert not (tmp_path / "harm").exists()


def test_a_truncated_matlab_file_is_refused(svhn, tmp_path):
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(DatasetError, match=r"dataset: 'svhn' is not allowed: it is not whole .*train_32x32\.mat"):
        load("svhn", tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"", "damaged"),
        ("train-images-idx3-ubyte", struct.pack(">4I", 0x803, 5, 28, 28) + bytes(5 * 28 * 28 - 1), "not whole"),
        ("train-images-idx3-ubyte", struct.pack(">4I", 0x803, 5, 28, 28), "damaged"),
        ("train-images-idx3-ubyte", struct.pack(">4I", 0xC03, 1, 1, 1) + bytes(4), "damaged .*uint8"),
        ("train-images-idx3-ubyte", struct.pack(">4I", 0x803, 1, 1, 1) + bytes(1), "there are 1 images and 5 labels"),
        ("train-labels-idx1-ubyte", struct.pack(">2I", 0x801, 5) + bytes([0, 1, 2, 3, 10]), "label is not from 0 to 9"),
    ],
)
def test_a_damaged_idx_file_is_refused(fashion, tmp_path, name, content, message):
    load("fashion-mnist", tmp_path)
    (tmp_path / "FashionMNIST" / "raw" / name).write_bytes(content)

    with pytest.raises(DatasetError, match=f"dataset: 'fashion-mnist' is not allowed: .*{message}") as caught:
        load("fashion-mnist", tmp_path)

    assert "\n" not in str(caught.value)
    assert str(caught.value).count("is not allowed") == 1
