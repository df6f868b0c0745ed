"""The shape of images, told without decoding them, is that of the images."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from trial_runtime import image_shape
from trial_runtime.errors import DatasetError
from trial_runtime.images import datasets
from trial_runtime.images.data_options import DataOptions
from trial_runtime.images.known_shapes import KNOWN_SHAPES, ImageShape
from trial_runtime.images.torchvision_sets import SOURCES

OPTIONS = DataOptions(
    dataset="",
    data_dir=None,
    max_images=None,
    train_portion=1,
    image_size=None,
    flip=None,
    cutout=0,
    npz_layout=None,
    labels=None,
)


def shape_of(images: datasets.ImageDataset) -> ImageShape:
    channels, height, width = images.image_shape
    return ImageShape(height=height, width=width, channels=channels, num_classes=images.num_classes)


def save(folder, modes, size=(6, 4), exif=b""):
    for name, mode in modes.items():
        (folder / name).mkdir(parents=True)
        Image.new(mode, size, 7 if mode == "L" else (7, 8, 9)).save(folder / name / "a.jpg", exif=exif)


@pytest.mark.parametrize("size", [None, (8, 5)])
@pytest.mark.parametrize("modes", [{"a": "L", "b": "L"}, {"a": "L", "b": "RGB", "c": "L"}])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heads_of_pictures_say_what_decoding_them_gives(tmp_path, size, modes, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path, modes, exif=exif)
    options = replace(OPTIONS, dataset=f"imagefolder:{tmp_path}", image_size=size)
    assert image_shape.of(options) == shape_of(datasets.load(options.dataset, None, size=size))


def test_pictures_of_several_sizes_are_refused_as_they_are_in_a_trial(tmp_path):
    save(tmp_path, {"a": "L"})
    save(tmp_path, {"b": "L"}, size=(5, 4))
    messages = []
    for ask in (lambda: image_shape.of(replace(OPTIONS, dataset=f"imagefolder:{tmp_path}")),
                lambda: datasets.load(f"imagefolder:{tmp_path}", None)):  # fmt: skip
        with pytest.raises(DatasetError, match="--image-size scales them") as refused:
            ask()
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


def test_what_is_known_by_name_is_so():
    assert KNOWN_SHAPES.keys() == {*SOURCES, "digits", "fake"}
    for name in ("digits", "fake"):
        assert KNOWN_SHAPES[name] == shape_of(datasets.load(name, None))
    for name, source in SOURCES.items():
        assert KNOWN_SHAPES[name].num_classes == source.num_classes


def test_the_program_prints_it(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 5, 4, 3), np.uint8), y=np.arange(6) % 3)
    assert image_shape.main(["--dataset", f"npz:{tmp_path}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"height": 5, "width": 4, "channels": 3, "num_classes": 3}
    assert image_shape.main(["--dataset", f"npz:{tmp_path / 'nope'}"]) == 2
    assert "no such .npz file" in capsys.readouterr().err
