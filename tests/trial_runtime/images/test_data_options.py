import json

import numpy as np
import pytest
import torch

from trial_runtime.images.data_options import DataOptions
from trial_runtime.images.datasets import DatasetError
from trial_runtime.seeds import generator

PLAIN = DataOptions(
    dataset="fake:20", data_dir=None, max_images=None, train_portion=0.5, image_size=None, flip=None, cutout=0
)


def _with(**changes):
    return DataOptions(**(PLAIN.record() | {"data_dir": None} | changes))


def _load(options):
    return options.load(generator(0, "subset"))


def test_without_options_images_are_as_the_data_set_has_them():
    images = _load(PLAIN)

    assert (len(images), images.image_shape, images.may_flip) == (20, (3, 32, 32), True)


def test_images_are_drawn_and_scaled():
    images = _load(_with(max_images=5, image_size=(10, 12)))

    assert (len(images), images.image_shape) == (5, (3, 10, 12))
    assert torch.equal(images.images_nchw, _load(_with(max_images=5, image_size=(10, 12))).images_nchw)


@pytest.mark.parametrize(("dataset", "by_itself"), [("fake", True), ("digits", False)])
def test_mirroring_is_decided_by_the_data_set_unless_it_is_asked_for(dataset, by_itself):
    found = [_load(_with(dataset=dataset, flip=flip)).may_flip for flip in (None, True, False)]

    assert found == [by_itself, True, False]


@pytest.mark.parametrize(("size", "allowed"), [((10, 12), 10), ((32, 32), 32)])
def test_a_cutout_larger_than_the_images_is_refused(size, allowed):
    _load(_with(image_size=size, cutout=allowed))

    with pytest.raises(
        DatasetError, match=rf"cutout: {allowed + 1} is not allowed: the images have {size[0]}x{size[1]}"
    ):
        _load(_with(image_size=size, cutout=allowed + 1))


def test_test_images_get_the_size_of_the_training_images(tmp_path):
    draw = np.random.default_rng(0)
    for name, shape in (("a", (4, 8, 8, 3)), ("test", (2, 12, 12, 3))):
        np.savez(tmp_path / f"{name}.npz", x=draw.integers(256, size=shape, dtype=np.uint8), y=np.arange(shape[0]))
    options = _with(dataset="npz:a.npz", data_dir=tmp_path, image_size=(6, 6), max_images=3)

    test = options.load_test(_load(options))

    assert (len(test), test.image_shape, test.num_classes) == (2, (3, 6, 6), 4)


def test_the_record_is_json_without_folders_of_the_machine(tmp_path):
    record = json.loads(json.dumps(_with(data_dir=tmp_path, image_size=(6, 8)).record()))

    assert record == {
        "dataset": "fake:20",
        "max_images": None,
        "train_portion": 0.5,
        "image_size": [6, 8],
        "flip": None,
        "cutout": 0,
        "npz_layout": None,
        "labels": None,
    }


def test_what_the_images_are_is_logged_once(tmp_path, caplog):
    caplog.set_level("INFO")
    np.savez(tmp_path / "a.npz", x=np.zeros((7, 3, 8, 9), np.uint8), y=np.array([5, 5, 9, 9, 9, 9, 6]))

    _load(_with(dataset="npz:a.npz", data_dir=tmp_path, npz_layout="nchw", labels="remap"))

    said = [line for line in caplog.messages if "height x width x channels" in line]
    assert said == [
        "npz:a.npz: 7 images of 8x9x3 (height x width x channels), 3 classes; the smallest has 1 images, the largest 4"
    ]
