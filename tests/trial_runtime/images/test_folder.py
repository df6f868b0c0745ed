import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trial_runtime.devices import memory
from trial_runtime.images.datasets import DatasetError, load, load_test
from trial_runtime.images.folder import decode
from trial_runtime.seeds import generator

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _save(path, colour, size=(6, 4), mode="RGB", **options):
    """Write a picture of one colour; its size is width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Two classes of two red and one blue picture."""
    _save(tmp_path / "pets" / "dog" / "1.png", BLUE)
    _save(tmp_path / "pets" / "cat" / "2.png", RED)
    _save(tmp_path / "pets" / "cat" / "deep" / "1.BMP", RED)
    return tmp_path


def test_folders_are_classes_in_the_order_of_their_names(folder):
    (folder / "pets" / ".hidden").mkdir()
    (folder / "pets" / "cat" / "notes.txt").write_text("")
    (folder / "pets" / "cat" / ".1.png").write_text("no picture")

    dataset = load("imagefolder:pets", folder)

    assert dataset.labels_n.tolist() == [0, 0, 1]
    assert (dataset.num_classes, dataset.may_flip, dataset.image_shape) == (2, True, (3, 4, 6))
    assert dataset.images_nchw[:, :, 3, 5].tolist() == [list(RED), list(RED), list(BLUE)]


def test_the_path_may_begin_with_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))

    assert len(load("imagefolder:~/pets", None)) == 3


def test_pixels_are_where_the_file_has_them(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(2, 5, 7, 3), dtype=np.uint8)
    for index, image in enumerate(pixels):
        (tmp_path / str(index)).mkdir()
        Image.fromarray(image).save(tmp_path / str(index) / "a.png")

    dataset = load(f"imagefolder:{tmp_path}", None)

    assert torch.equal(dataset.images_nchw, torch.from_numpy(pixels).permute(0, 3, 1, 2))


def test_grey_pictures_alone_have_one_channel_and_beside_coloured_ones_three(tmp_path):
    _save(tmp_path / "a" / "1.png", 7, mode="L")
    _save(tmp_path / "b" / "1.png", 9, mode="L")
    grey = load(f"imagefolder:{tmp_path}", None)
    _save(tmp_path / "b" / "2.png", (1, 2, 3, 128), mode="RGBA")
    coloured = load(f"imagefolder:{tmp_path}", None)

    assert grey.images_nchw[:, :, 0, 0].tolist() == [[7], [9]]
    assert coloured.images_nchw[:, :, 0, 0].tolist() == [[7, 7, 7], [9, 9, 9], [1, 2, 3]]


def test_pictures_of_different_sizes_need_a_size(folder):
    _save(folder / "pets" / "dog" / "2.png", BLUE, size=(5, 4))

    with pytest.raises(DatasetError, match=r"2.png: width x height: '5x4' is not allowed: .* has 6x4; --image-size"):
        load("imagefolder:pets", folder)

    assert load("imagefolder:pets", folder, size=(3, 2)).image_shape == (3, 3, 2)


def test_a_wide_picture_keeps_its_middle(tmp_path):
    columns = np.repeat(np.array([[0] * 6 + [100] * 12 + [200] * 6], dtype=np.uint8), 12, axis=0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(columns).save(tmp_path / name / "1.png")

    dataset = load(f"imagefolder:{tmp_path}", None, size=(4, 4))

    # Pillow's filter reaches a little over the edge of the middle.
    assert dataset.images_nchw[0, 0].tolist() == [[89, 100, 100, 111]] * 4


def test_a_picture_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6  # the camera lay on its side
    _save(tmp_path / "a" / "1.jpg", RED, size=(6, 4), exif=exif)
    _save(tmp_path / "b" / "1.jpg", RED, size=(4, 6))

    assert load(f"imagefolder:{tmp_path}", None).image_shape == (3, 6, 4)


def test_what_is_not_drawn_is_not_decoded(folder):
    whole = load("imagefolder:pets", folder)
    drawn = load("imagefolder:pets", folder, max_images=1, generator=generator(0, "subset"))
    assert (len(drawn), drawn.num_classes) == (1, 2)
    kept = torch.randperm(3, generator=generator(0, "subset"))[0]
    assert torch.equal(drawn.images_nchw[0], whole.images_nchw[kept])

    files = [folder / "pets" / name for name in ("cat/2.png", "cat/deep/1.BMP", "dog/1.png")]
    for file in files[:kept] + files[kept + 1 :]:
        file.write_bytes(b"broken")

    assert torch.equal(
        load("imagefolder:pets", folder, max_images=1, generator=generator(0, "subset")).images_nchw, drawn.images_nchw
    )


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tif", "webp", "ppm"])
def test_a_broken_picture_is_named(folder, damage, kind):
    path = folder / "pets" / "dog" / f"2.{kind}"
    pixels = np.random.default_rng(0).integers(256, size=(40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"no picture\n", "cut": whole[: len(whole) // 2]}[damage])

    with pytest.raises(DatasetError, match=rf"image: '.*2\.{kind}' is not allowed: it must be an intact picture"):
        load("imagefolder:pets", folder, size=(4, 4))


def test_a_picture_of_16_bits_is_refused(folder):
    _save(folder / "pets" / "dog" / "2.png", 40_000, mode="I;16")

    with pytest.raises(DatasetError, match=r"2.png: mode: 'I;16' is not allowed: an image must have 8 bits"):
        load("imagefolder:pets", folder)


def test_a_class_without_pictures_is_refused(folder):
    (folder / "pets" / "eel").mkdir()
    (folder / "pets" / "eel" / "notes.txt").write_text("")

    with pytest.raises(DatasetError, match=r"pets: class: 'eel' is not allowed: there must be a picture in it"):
        load("imagefolder:pets", folder)


@pytest.mark.parametrize(
    ("names", "said", "level"),
    [
        (["a.gif", "b.GIF", "deep/c.heic"], "left out 2 .gif, 1 .heic; what is read ends in .bmp, .jpeg", "WARNING"),
        (["notes.txt", "LICENSE"], "left out 1 without an ending, 1 .txt; what is read", "INFO"),
    ],
)
def test_what_is_left_out_is_counted_by_its_ending(names, said, level, folder, caplog):
    caplog.set_level("INFO")
    for name in names:
        (folder / "pets" / "cat" / name).parent.mkdir(exist_ok=True)
        (folder / "pets" / "cat" / name).touch()

    load("imagefolder:pets", folder)

    (found,) = [record for record in caplog.records if "left out" in record.message]
    assert said in found.message
    assert found.levelname == level


def test_a_class_of_unread_pictures_says_what_is_there(folder):
    (folder / "pets" / "eel").mkdir()
    (folder / "pets" / "eel" / "1.gif").touch()

    with pytest.raises(DatasetError, match=r"class: 'eel' .* there must be a picture in it .*; there are 1 \.gif"):
        load("imagefolder:pets", folder)


@pytest.mark.parametrize("path", ["none", "pets/cat", "pets/dog/1.png"])
def test_a_path_without_classes_is_refused(folder, path):
    with pytest.raises(DatasetError, match=r"dataset: 'imagefolder:.* (no such folder|two or more classes)"):
        load(f"imagefolder:{path}", folder)


@pytest.mark.fault(22)
def test_test_images_are_apart(folder):
    (folder / "pets").rename(folder / "train")
    _save(folder / "test" / "dog" / "1.png", BLUE)

    training = load(f"imagefolder:{folder}", None)
    test = load_test(training, None)

    assert training.labels_n.tolist() == [0, 0, 1]
    assert (test.labels_n.tolist(), test.num_classes) == ([1], 2)


@pytest.mark.fault(22)
def test_no_folder_of_test_images_becomes_a_class(folder):
    _save(folder / "pets" / "test" / "dog" / "1.png", BLUE)

    with pytest.raises(DatasetError, match="no search may see test images"):
        load("imagefolder:pets", folder)


@pytest.mark.parametrize(
    ("training", "test"),
    [
        ("Train", "TEST"),
        ("Training", "Testing"),
        ("train_set", "hold-out"),
        ("TrainImages", "val"),
        ("train2017", "dev"),
    ],
)
def test_parts_are_known_by_any_spelling(training, test, folder, caplog):
    caplog.set_level("INFO")
    (folder / "pets").rename(folder / training)
    _save(folder / test / "dog" / "1.png", BLUE)

    images = load(f"imagefolder:{folder}", None)

    assert (images.num_classes, images.labels_n.tolist()) == (2, [0, 0, 1])
    assert load_test(images, None).labels_n.tolist() == [1]
    assert f"the training images are those of {training}" in caplog.text
    assert f"the test images are those of {test}" in caplog.text


def test_parts_with_a_name_of_their_own_are_known_side_by_side(folder):
    (folder / "pets").rename(folder / "seg_train")
    _save(folder / "seg_test" / "dog" / "1.png", BLUE)
    _save(folder / "seg_pred" / "1.png", BLUE)

    images = load(f"imagefolder:{folder}", None)

    assert images.num_classes == 2
    assert load_test(images, None).labels_n.tolist() == [1]


def test_of_test_and_validation_images_the_training_is_tested_on_the_first(folder):
    (folder / "pets").rename(folder / "train")
    _save(folder / "Valid" / "cat" / "1.png", RED)
    _save(folder / "Test" / "dog" / "1.png", BLUE)

    assert load_test(load(f"imagefolder:{folder}", None), None).labels_n.tolist() == [1]


@pytest.mark.parametrize(
    "names", [("train", "bus", "car"), ("Training", "idle"), ("test", "train_1", "train_2"), ("eval", "ok")]
)
def test_what_may_be_parts_or_classes_is_asked_with_the_way_out(names, tmp_path):
    for name in names:
        _save(tmp_path / name / "1.png", RED)

    with pytest.raises(DatasetError, match=r"classes.* a folder .*train"):
        load(f"imagefolder:{tmp_path}", None)


def test_classes_may_be_named_as_parts_within_a_folder_of_training_images(tmp_path):
    for name in ("train", "bus", "test"):
        _save(tmp_path / "train" / name / "1.png", RED)

    assert load(f"imagefolder:{tmp_path}", None).num_classes == 3


@pytest.mark.parametrize("names", [("valid", "invalid"), ("toy train", "bullet train"), ("contest", "latest")])
def test_classes_whose_names_only_look_like_parts_are_classes(names, tmp_path):
    for name in names:
        _save(tmp_path / name / "1.png", RED)

    assert load(f"imagefolder:{tmp_path}", None).num_classes == 2


def test_parts_inside_the_classes_are_refused(folder):
    for name in ("Train", "Test"):
        _save(folder / "pets" / "cat" / name / "1.png", RED)

    with pytest.raises(DatasetError, match=r"class: 'cat' is not allowed: no search may see test images.*Train/cat"):
        load("imagefolder:pets", folder)


def test_two_parts_of_test_images_are_refused(folder):
    (folder / "pets").rename(folder / "train")
    for name in ("test", "holdout"):
        _save(folder / name / "dog" / "1.png", BLUE)

    with pytest.raises(DatasetError, match=r"one folder of test images, and there are .*holdout, .*test"):
        load_test(load(f"imagefolder:{folder}", None), None)


def test_grey_test_images_get_the_channels_of_the_training_images(folder):
    (folder / "pets").rename(folder / "train")
    _save(folder / "test" / "cat" / "1.png", 5, mode="L", size=(9, 9))

    training = load(f"imagefolder:{folder}", None, size=(4, 4))

    assert load_test(training, None, size=(4, 4)).images_nchw[0, :, 0, 0].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({}, r"no test images: they must be in .*--train-portion \.8"),
        ({"test/eel/1.png": (6, 4)}, "test: class: 'eel' is not allowed: the classes of .* are cat, dog"),
        ({"test/dog/1.txt": None}, "class: 'dog' is not allowed: there must be a picture"),
        ({"test/1.png": (6, 4)}, "test must hold a folder for each class"),
        ({"test/dog/1.png": (6, 5)}, r"shape of a test image: \(3, 5, 6\) is not allowed"),
    ],
)
def test_test_images_that_do_not_match_are_refused(folder, pictures, message):
    (folder / "pets").rename(folder / "train")
    for name, size in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if size is None:
            (folder / name).write_text("")
        else:
            _save(folder / name, RED, size=size)
    training = load(f"imagefolder:{folder}", None)

    with pytest.raises(DatasetError, match=message):
        load_test(training, None)


def test_coloured_test_images_of_grey_training_images_are_refused(tmp_path):
    for name in ("train/a", "train/b"):
        _save(tmp_path / name / "1.png", 7, mode="L")
    _save(tmp_path / "test" / "a" / "1.png", RED)

    with pytest.raises(DatasetError, match="it must be grey, as the training images are"):
        load_test(load(f"imagefolder:{tmp_path}", None), None)


def test_no_program_is_run_for_a_picture(folder, tmp_path, monkeypatch):
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\necho 10.0\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=":")
    picture = folder / "pets" / "cat" / "2.png"
    picture.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\nshowpage\n%%EOF\n")

    with pytest.raises(DatasetError, match=r"2\.png' is not allowed: it must be an intact picture"):
        load("imagefolder:pets", folder)
    assert not (tmp_path / "ran").exists()


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(folder):
    _save(folder / "pets" / "cat" / "2.png", 0, size=(60_000, 1_000), mode="1")

    with pytest.raises(DatasetError, match=r"2\.png: width x height: '60000x1000' .* 50000000 pixels"):
        load("imagefolder:pets", folder, size=(8, 8))


def test_pictures_that_do_not_fit_into_memory_are_refused(folder, monkeypatch):
    monkeypatch.setattr(memory, "room_for_data", lambda: 6 * 4 * 3 * 2)
    with pytest.raises(DatasetError, match=r"pets: images decoded: 3 .* no memory for more"):
        load("imagefolder:pets", folder)


@given(data=st.data())
def test_whatever_a_picture_holds_it_is_decoded_or_refused(bad, data, tmp_path):
    kind, mode = data.draw(
        st.sampled_from([("png", "RGB"), ("png", "P"), ("jpeg", "L"), ("bmp", "RGB"), ("tiff", "RGB"), ("webp", "RGB")])
    )
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((12, 9)).convert(mode).save(buffer, kind)
    file = tmp_path / "class" / f"a.{kind}"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data.draw(bad.content(buffer.getvalue())))
    refusal = file.name
    try:
        assert decode([file], None).shape[0] == 1
    except DatasetError as error:
        refusal = str(error)
    assert file.name in refusal
