import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trial_runtime.devices import memory
from trial_runtime.images.datasets import DatasetError, load, load_test
from trial_runtime.images.npz import Layout


def _save(path, *, count=4, shape=(6, 5, 3), first_label=0, **arrays):
    """Write a file whose images and labels go on from first_label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(first_label).integers(256, size=(count, *shape), dtype=np.uint8)
    arrays = {"x": x, "y": np.arange(first_label, first_label + count, dtype=np.uint8)} | arrays
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return x


def test_colour_images_become_channels_first(tmp_path):
    x = _save(tmp_path / "a.npz")

    dataset = load(f"npz:{tmp_path / 'a.npz'}", None)

    assert torch.equal(dataset.images_nchw, torch.from_numpy(x).permute(0, 3, 1, 2))
    assert dataset.labels_n.tolist() == [0, 1, 2, 3]
    assert (dataset.num_classes, dataset.may_flip) == (4, True)


def test_grey_images_get_one_channel(tmp_path):
    x = _save(tmp_path / "a.npz", shape=(6, 5))

    assert torch.equal(load("npz:a.npz", tmp_path).images_nchw, torch.from_numpy(x).unsqueeze(1))


def test_a_file_may_forbid_mirroring(tmp_path):
    _save(tmp_path / "a.npz", may_flip=np.array(False))

    assert load("npz:a.npz", tmp_path).may_flip is False


@pytest.mark.parametrize(
    "paths", ["d/a.npz,d/b.npz", "d", "d/", "d/*.npz", "d/[ab].npz", " d/a.npz , d/b*.npz", "**/?.npz"]
)
def test_several_files_are_read_in_order(paths, tmp_path):
    _save(tmp_path / "d" / "b.npz", first_label=4)
    _save(tmp_path / "d" / "a.npz")

    assert load(f"npz:{paths}", tmp_path).labels_n.tolist() == list(range(8))


def test_the_working_directory_comes_before_the_data_folder(tmp_path, monkeypatch):
    _save(tmp_path / "here" / "a.npz", count=1)
    _save(tmp_path / "data" / "a.npz", count=2)
    _save(tmp_path / "data" / "b.npz", count=3)
    monkeypatch.chdir(tmp_path / "here")

    assert len(load("npz:a.npz", tmp_path / "data")) == 1
    assert len(load("npz:b.npz", tmp_path / "data")) == 3


@pytest.mark.parametrize("paths", ["~/d/a.npz", "~/d", "~/d/*.npz", "elsewhere.npz,~/d"])
def test_home_may_stand_in_each_path(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _save(tmp_path / "d" / "a.npz")
    _save(tmp_path / "data" / "elsewhere.npz")

    assert len(load(f"npz:{paths}", tmp_path / "data")) in (4, 8)


@pytest.mark.fault(22)
@pytest.mark.parametrize("paths", ["d", "d/*.npz"])
def test_test_images_of_a_folder_are_left_out(paths, tmp_path):
    _save(tmp_path / "d" / "train-1.npz")
    _save(tmp_path / "d" / "test-1.npz", first_label=100)

    assert load(f"npz:{paths}", tmp_path).labels_n.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("test", ["TEST", "Testing_1", "x-test", "cifar_holdout", "val"])
def test_test_images_are_known_by_any_spelling(test, tmp_path):
    _save(tmp_path / "Train.npz")
    _save(tmp_path / f"{test}.npz", count=2, first_label=1)

    images = load(f"npz:{tmp_path}", None)

    assert images.labels_n.tolist() == [0, 1, 2, 3]
    assert load_test(images, None).labels_n.tolist() == [1, 2]


def test_files_to_validate_on_are_trained_on_where_no_file_is_named_for_training(tmp_path):
    _save(tmp_path / "a.npz")
    _save(tmp_path / "valid.npz")

    assert len(load(f"npz:{tmp_path}", None)) == 8


def test_a_folder_of_test_images_alone_is_refused(tmp_path):
    _save(tmp_path / "d" / "test-1.npz")

    with pytest.raises(DatasetError, match=r"other files than test\*"):
        load("npz:d", tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": None}, "a.npz: x: None is not allowed: the file must hold the arrays x"),
        ({"y": None}, "a.npz: y: None is not allowed: the file must hold the arrays x"),
        ({"x": np.zeros((4, 6, 5, 3))}, r"a.npz: x: 'float64 \(4, 6, 5, 3\)' is not allowed: it must be uint8"),
        ({"x": np.zeros((4, 6), np.uint8)}, r"x: 'uint8 \(4, 6\)' is not allowed"),
        ({"x": np.zeros((0, 6, 5), np.uint8)}, "not empty"),
        ({"x": np.zeros((4, 6, 0), np.uint8)}, "not empty"),
        ({"y": np.zeros(4)}, r"a.npz: y: 'float64 \(4,\)' is not allowed: it must be integers"),
        ({"y": np.zeros(3, int)}, r"y: 'int64 \(3,\)' is not allowed: it must be integers of shape \(4,\)"),
        ({"y": np.zeros((4, 1), int)}, r"integers of shape \(4,\), .*; save y\.reshape\(-1\)"),
        ({"y": np.eye(4)}, r"integers of shape \(4,\), .*; save y\.argmax\(axis=1\)"),
        ({"y": np.array([0, 1, 2**64 - 1, 2], np.uint64)}, "y: 18446744073709551615 is not allowed"),
        ({"y": np.array([1, 2, 3, 4])}, "y: labels: '1 to 4' is not allowed: .* must be 0 to 3; --labels remap"),
        ({"y": np.array([0, 1, -1, 2])}, "y: labels: '-1 to 2' is not allowed"),
        ({"y": np.array([0, 1, 10**6, 2])}, "y: labels: '0 to 1000000, with gaps' is not allowed"),
        ({"x": np.zeros((4, 3, 6, 5), np.uint8)}, r"x: \(4, 3, 6, 5\) is not allowed: .* x\.transpose\(0, 2, 3, 1\)"),
        ({"x": np.zeros((4, 1, 28, 28), np.uint8)}, r"--npz-layout nhwc if 1x28 pixels of 28 channels are meant"),
        ({"x": np.zeros((8, 9, 3, 4), np.uint8)}, r"integers of shape \(8,\)"),
        ({"may_flip": np.array(1)}, "may_flip: .* it must be one boolean"),
        ({"x": np.array([None] * 4)}, r"it must be an intact .npz file \(Object arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, message, tmp_path):
    _save(tmp_path / "a.npz", **arrays)

    with pytest.raises(DatasetError, match=message):
        load("npz:a.npz", tmp_path)


def test_images_with_their_pictures_last_are_refused_with_the_mend(tmp_path):
    _save(tmp_path / "a.npz", x=np.zeros((8, 9, 3, 6), np.uint8), y=np.arange(6))

    with pytest.raises(DatasetError, match=r"x: \(8, 9, 3, 6\) is not allowed: .* x\.transpose\(3, 0, 1, 2\)"):
        load("npz:a.npz", tmp_path)


def test_a_layout_that_looks_wrong_is_taken_where_it_is_named(tmp_path):
    x = _save(tmp_path / "a.npz", shape=(3, 6, 5))

    first = load("npz:a.npz", tmp_path, npz_layout=Layout.NCHW)
    last = load("npz:a.npz", tmp_path, npz_layout=Layout.NHWC)

    assert torch.equal(first.images_nchw, torch.from_numpy(x))
    assert last.image_shape == (5, 3, 6)


@pytest.mark.parametrize("shape", [(3, 3, 3), (6, 5, 1), (4, 4, 4), (1, 8, 3), (3, 2, 9)])
def test_small_pictures_do_not_look_wrong(shape, tmp_path):
    _save(tmp_path / "a.npz", shape=shape)

    assert load("npz:a.npz", tmp_path).image_shape == (shape[2], *shape[:2])


def test_labels_are_numbered_anew_and_those_of_test_images_alike(tmp_path, caplog):
    caplog.set_level("INFO")
    _save(tmp_path / "a.npz", y=np.array([7, -1, 7, 10**9]))
    _save(tmp_path / "test.npz", y=np.array([10**9, 7, -1, -1]))

    images = load("npz:a.npz", tmp_path, remap_labels=True)

    assert (images.labels_n.tolist(), images.num_classes) == ([1, 0, 1, 2], 3)
    assert load_test(images, tmp_path).labels_n.tolist() == [2, 1, 0, 0]
    assert "numbered anew, -1 to 0, 7 to 1, 1000000000 to 2" in caplog.text
    _save(tmp_path / "test.npz", y=np.array([8, 7, 7, 7]))
    with pytest.raises(DatasetError, match=r"label of a test image: 8 is not allowed: .* labels -1, 7, 1000000000"):
        load_test(images, tmp_path)


def test_files_of_different_shapes_are_refused(tmp_path):
    _save(tmp_path / "a.npz")
    _save(tmp_path / "b.npz", shape=(6, 5))

    with pytest.raises(DatasetError, match=r"b.npz: x: \(6, 5, 1\) is not allowed: .* \(6, 5, 3\) in .*a.npz"):
        load("npz:a.npz,b.npz", tmp_path)


@pytest.mark.parametrize("paths", ["none.npz", "none", "none*.npz", "d", "a.npz,", ",", "a.npz,,a.npz"])
def test_a_path_with_nothing_there_is_refused(paths, tmp_path):
    _save(tmp_path / "a.npz")
    (tmp_path / "d").mkdir()

    with pytest.raises(DatasetError, match=r"dataset: 'npz:.* (no such \.npz file|before and after each comma)"):
        load(f"npz:{paths}", tmp_path)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "one array"])
def test_a_broken_file_is_refused(damage, tmp_path):
    path = tmp_path / "a.npz"
    _save(path)
    whole = path.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    contents = {"empty": b"", "text": b"x,y\n", "cut": whole[:150], "one array": (tmp_path / "array.npy").read_bytes()}
    path.write_bytes(contents[damage])

    with pytest.raises(DatasetError, match=r"a\.npz' is not allowed: it must be an intact .npz file"):
        load("npz:a.npz", tmp_path)


@pytest.mark.parametrize("paths", ["d", "d/*.npz", "d/a.npz", "d/b.npz,d/a.npz"])
def test_test_images_lie_beside_the_training_images(paths, tmp_path):
    _save(tmp_path / "d" / "a.npz")
    _save(tmp_path / "d" / "b.npz", first_label=4)
    x = _save(tmp_path / "d" / "test.npz", count=2, first_label=1)

    test = load_test(load(f"npz:{paths}", tmp_path), tmp_path)

    assert torch.equal(test.images_nchw, torch.from_numpy(x).permute(0, 3, 1, 2))
    assert test.labels_n.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (None, r"no test images: there is no other file test\*.npz in .*d; .*--train-portion \.8"),
        ({"first_label": 2}, "label of a test image: 5 is not allowed: the training images have the labels 0 to 3"),
        ({"shape": (6, 4, 3)}, r"shape of a test image: \(3, 6, 4\) is not allowed: .* \(3, 6, 5\)"),
        ({"shape": (6, 5)}, r"shape of a test image: \(1, 6, 5\) is not allowed"),
        ({"y": None}, r"test-1.npz: y: None is not allowed"),
    ],
)
def test_test_images_that_do_not_match_are_refused(test, message, tmp_path):
    _save(tmp_path / "d" / "a.npz")
    if test is not None:
        _save(tmp_path / "d" / "test-1.npz", **test)
    training = load("npz:d/a.npz", tmp_path)

    with pytest.raises(DatasetError, match=message):
        load_test(training, tmp_path)


def test_a_file_that_is_trained_on_is_no_test_file(tmp_path):
    _save(tmp_path / "test-1.npz")

    with pytest.raises(DatasetError, match="no test images"):
        load_test(load("npz:test-1.npz", tmp_path), tmp_path)


class Program:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(text, version=1):
    """The head of an array's file, whatever it says."""
    body = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(body).to_bytes(2, "little") + body


LABELS = npy(np.arange(4))


def pack(path, x=None, y=LABELS, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        archive.writestr("x.npy", npy(np.zeros((4, 8, 8, 3), np.uint8)) if x is None else x)
        archive.writestr("y.npy", y)
    return path


def test_nothing_is_unpickled(tmp_path):
    program = Program(tmp_path / "ran")
    pack(tmp_path / "object.npz", npy(np.array([program] * 4, dtype=object)))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(program))
    (tmp_path / "array.npz").write_bytes(npy(np.array([program], dtype=object)))
    pack(tmp_path / "code.npz", header(f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"))

    for name in ("object", "pickle", "array", "code"):
        with pytest.raises(DatasetError, match=f"{name}.npz.*intact"):
            load(f"npz:{name}.npz", tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "shape",
    ["(10**30,)", f"({10**30}, 8, 8, 3)", f"({10**9}, {10**9}, 8, 3)", "(-1, 8, 8, 3)", "('a',)", "8", "(4, 8, 8, 9)"],
)
def test_a_shape_that_is_not_there_is_refused(shape, tmp_path):
    x = header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}") + bytes(4 * 8 * 8 * 3)

    with pytest.raises(DatasetError, match=r"a\.npz.*intact"):
        load(f"npz:{pack(tmp_path / 'a.npz', x)}", None)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    x = header("{'descr': '|u1', 'fortran_order': False, 'shape': (400, 512, 512), }") + bytes(400 * 512 * 512)
    bomb = pack(tmp_path / "bomb.npz", x, npy(np.zeros(400, int)))
    assert bomb.stat().st_size < 200_000

    with pytest.raises(DatasetError, match=r"bomb\.npz: bytes when unpacked: \d+ .* 500 times as large"):
        load(f"npz:{bomb}", None)
    monkeypatch.setattr(memory, "room_for_data", lambda: 1_000)
    with pytest.raises(DatasetError, match=r"a\.npz: bytes when unpacked: \d+ .* there is memory for 1000"):
        load(f"npz:{pack(tmp_path / 'a.npz')}", None)


@pytest.mark.parametrize(("place", "value"), [("flags", 1), ("method", 99), ("method", 14), ("method", 12)])
def test_a_file_that_cannot_be_unpacked_is_refused(place, value, tmp_path):
    content = bytearray(pack(tmp_path / "a.npz").read_bytes())
    first, central = {"flags": (6, 8), "method": (8, 10)}[place]
    content[first] = content[content.index(b"PK\x01\x02") + central] = value
    (tmp_path / "a.npz").write_bytes(content)

    with pytest.raises(DatasetError, match=r"a\.npz.*intact"):
        load("npz:a.npz", tmp_path)


@given(data=st.data())
def test_whatever_the_file_holds_it_is_read_or_refused(bad, data, tmp_path):
    for stored in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", stored) as archive:
            archive.writestr("x.npy", npy(np.zeros((4, 2, 2, 3), np.uint8)))
            archive.writestr("y.npy", LABELS)
        (tmp_path / "a.npz").write_bytes(data.draw(bad.content(buffer.getvalue())))
        refusal = "a.npz"
        try:
            assert len(load("npz:a.npz", tmp_path)) > 0
        except DatasetError as error:
            refusal = str(error)
        assert "a.npz" in refusal
