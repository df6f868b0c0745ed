import pytest
import torch
from torch.nn import functional

from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes.processes import ALONE, Processes
from trial_runtime.seeds import generator

CPU = torch.device("cpu")
PLAIN = Normalisation(mean_c=torch.zeros(1), std_c=torch.ones(1))


def _dataset(images_nchw, *, may_flip=False):
    """A data set in which each image is a class of its own."""
    count = len(images_nchw)
    return ImageDataset(
        name="test", images_nchw=images_nchw, labels_n=torch.arange(count), num_classes=count, may_flip=may_flip
    )


def _random_images(*shape):
    return torch.randint(256, shape, generator=generator(0, "images"), dtype=torch.uint8)


def _batches(dataset, batch_size, *, training, normalisation=PLAIN, seed=0, cutout=0, processes=ALONE):
    return Batches(
        dataset,
        batch_size,
        normalisation=normalisation,
        device=CPU,
        generator=generator(seed, "batches"),
        training=training,
        cutout=cutout,
        processes=processes,
    )


def test_normalisation_is_mean_and_deviation_in_float64():
    images = _random_images(50, 3, 7, 5)
    scaled = images.double() / 255

    normalisation = Normalisation.of(_dataset(images))

    torch.testing.assert_close(normalisation.mean_c, scaled.mean(dim=(0, 2, 3)).float())
    torch.testing.assert_close(normalisation.std_c, scaled.std(dim=(0, 2, 3), correction=0).float())
    applied = normalisation.apply(images)
    torch.testing.assert_close(applied.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(applied.std(dim=(0, 2, 3), correction=0), torch.ones(3))


def test_a_constant_channel_is_not_divided_by_zero():
    images = _random_images(10, 2, 8, 8)
    images[:, 1] = 77

    applied = Normalisation.of(_dataset(images)).apply(images)

    torch.testing.assert_close(applied[:, 1], torch.zeros(10, 8, 8), atol=1e-6, rtol=0)
    assert float(applied[:, 0].std()) == pytest.approx(1, abs=0.01)


@pytest.mark.fault(22)
def test_training_and_validation_images_are_scaled_alike():
    # Images of 4 x 4 pixels are not shifted, so that each image of a training batch can be compared exactly.
    dataset = _dataset(_random_images(12, 3, 4, 4))
    normalisation = Normalisation.of(dataset)
    ((trained, trained_labels),) = _batches(dataset, 12, training=True, normalisation=normalisation)
    ((validated, labels),) = _batches(dataset, 12, training=False, normalisation=normalisation)

    assert labels.tolist() == list(range(12))
    torch.testing.assert_close(trained, validated[trained_labels])
    mean, std = normalisation.mean_c.view(3, 1, 1), normalisation.std_c.view(3, 1, 1)
    torch.testing.assert_close(validated, (dataset.images_nchw / 255 - mean) / std)


@pytest.mark.fault(22)
def test_training_is_shuffled_anew_in_each_pass():
    batches = _batches(_dataset(_random_images(32, 1, 4, 4)), 8, training=True)

    first = torch.cat([labels for _, labels in batches]).tolist()
    second = torch.cat([labels for _, labels in batches]).tolist()

    assert sorted(first) == sorted(second) == list(range(32))
    assert len({tuple(first), tuple(second), tuple(range(32))}) == 3


def test_validation_keeps_the_order_and_every_image():
    images = _random_images(10, 1, 32, 32)
    batches = _batches(_dataset(images, may_flip=True), 4, training=False)

    for _ in range(2):
        x, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        assert labels.tolist() == list(range(10))
        torch.testing.assert_close(x, images / 255)
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert len(batches) == 3


@pytest.mark.parametrize(("size", "batch_size", "sizes"), [(10, 4, [4, 4]), (8, 4, [4, 4]), (3, 4, [3]), (1, 1, [1])])
def test_training_drops_the_incomplete_batch_unless_it_is_the_only_one(size, batch_size, sizes):
    batches = _batches(_dataset(_random_images(size, 1, 4, 4)), batch_size, training=True)

    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)


@pytest.mark.parametrize("may_flip", [False, True])
def test_each_training_image_is_a_window_of_the_padded_image(may_flip):
    image = _random_images(1, 2, 32, 32)
    dataset = _dataset(image.repeat(600, 1, 1, 1), may_flip=may_flip)
    padded = functional.pad(image[0], (4, 4, 4, 4)) / 255
    windows = {
        (down, right, False): padded[:, down : down + 32, right : right + 32] for down in range(9) for right in range(9)
    }
    windows |= {(down, right, True): window.flip(2) for (down, right, _), window in windows.items()}
    known = {_key(window): place for place, window in windows.items()}

    ((x, _),) = _batches(dataset, 600, training=True)

    places = [known[_key(window)] for window in x]
    assert {down for down, _, _ in places} == {right for _, right, _ in places} == set(range(9))
    assert {flipped for _, _, flipped in places} == ({False, True} if may_flip else {False})
    # Each image draws for itself: of the 81 (162) windows, 600 images see most.
    assert len(set(places)) > 70


def _key(window):
    return (window * 255).round().to(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_cutout_sets_a_square_around_any_pixel_to_the_mean(length):
    """Images of 7 x 5 pixels are not shifted, so what is 0 after the scaling was cut out: no pixel is the mean."""
    dataset = _dataset(torch.full((2000, 2, 7, 5), 255, dtype=torch.uint8))

    ((x, _),) = _batches(dataset, 2000, training=True, cutout=length)

    holes = {_key(hole) for hole in (x == 0).all(dim=1)}
    centres = [(row, column) for row in range(7) for column in range(5)]
    assert holes == {_key(_square(row, column, length)) for row, column in centres}
    assert torch.equal((x == 0).any(dim=1), (x == 0).all(dim=1))


def _square(row, column, length):
    """True in the square from length // 2 pixels above and left of a pixel, as far as it lies in an image of 7 x 5."""
    hole = torch.zeros(7, 5, dtype=torch.bool)
    top, left = row - length // 2, column - length // 2
    hole[max(top, 0) : top + length, max(left, 0) : left + length] = True
    return hole


def test_cutout_leaves_validation_images_alone():
    images = _random_images(10, 1, 16, 16)

    ((x, _),) = _batches(_dataset(images), 10, training=False, cutout=8)

    torch.testing.assert_close(x, images / 255)


def test_the_generator_alone_decides():
    dataset = _dataset(_random_images(20, 3, 32, 32), may_flip=True)

    first = [x for x, _ in _batches(dataset, 5, training=True, seed=1)]
    again = [x for x, _ in _batches(dataset, 5, training=True, seed=1)]
    other = [x for x, _ in _batches(dataset, 5, training=True, seed=2)]

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def _equal(batches, others):
    return all(torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(batches, others, strict=True))


@pytest.mark.parametrize("num_given", [1, 3, 4])
def test_a_state_goes_on_within_a_pass_with_its_order_and_augmentation(num_given):
    """And with the pass after it."""
    left, taken_up = (
        _batches(_dataset(_random_images(9, 1, 32, 32), may_flip=True), 2, training=True, seed=seed, cutout=8)
        for seed in (0, 1)
    )
    list(left)
    rest = iter(left)
    for _ in range(num_given):
        next(rest)

    taken_up.load_state_dict(left.state_dict(), is_within_pass=True)

    assert _equal([*rest, *left], [*taken_up, *taken_up])


def test_a_state_between_passes_begins_the_next():
    """Also where the last pass was left before its end."""
    left, taken_up = (_batches(_dataset(_random_images(9, 1, 32, 32)), 2, training=True, seed=seed) for seed in (0, 1))
    next(iter(left))

    taken_up.load_state_dict(left.state_dict(), is_within_pass=False)

    assert _equal([*left], [*taken_up])


def test_batches_have_the_types_that_a_network_takes():
    x, labels = next(iter(_batches(_dataset(_random_images(4, 3, 20, 28)), 4, training=True)))

    assert (x.shape, x.dtype, x.device) == ((4, 3, 20, 28), torch.float32, CPU)
    assert (labels.shape, labels.dtype, labels.device) == ((4,), torch.int64, CPU)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("batch_size", "size"), [(6, 2), (5, 2), (5, 3), (4, 4)])
def test_the_shares_of_all_processes_join_to_the_batch_of_one_alone(training, batch_size, size):
    dataset = _dataset(_random_images(13, 3, 32, 32), may_flip=True)
    alone = _batches(dataset, batch_size, training=training, cutout=8)
    shared = [
        _batches(dataset, batch_size, training=training, cutout=8, processes=Processes(rank=rank, size=size))
        for rank in range(size)
    ]

    for _ in range(2):
        for (x, labels), *shares in zip(alone, *shared, strict=True):
            sizes = [len(share_labels) for _, share_labels in shares]
            assert max(sizes) - min(sizes) <= 1
            assert torch.equal(torch.cat([share_x for share_x, _ in shares]), x)
            assert torch.equal(torch.cat([share_labels for _, share_labels in shares]), labels)
