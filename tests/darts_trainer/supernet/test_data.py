import logging

import torch

from darts_trainer.supernet.data import SearchData
from trial_runtime.images.datasets import ImageDataset

CPU = torch.device("cpu")


def dataset(num_images, size=8, channels=1):
    """Images of two classes that differ in brightness: easily learnt."""
    labels_n = torch.arange(num_images) % 2
    noise = torch.randint(100, (num_images, channels, size, size), generator=torch.Generator().manual_seed(0))
    images_nchw = (noise + 120 * labels_n[:, None, None, None]).to(torch.uint8)
    return ImageDataset(name="bright", images_nchw=images_nchw, labels_n=labels_n, num_classes=2, may_flip=False)


def data(num_images, batch_size, seed=0):
    return SearchData.of(dataset(num_images), batch_size, device=CPU, seed=seed)


def test_halves_share_no_image():
    halves = data(21, 4)
    training, validation = halves.training._images_nchw, halves.validation._images_nchw
    assert sorted((len(training), len(validation))) == [10, 11]
    assert halves.architecture._labels_n.tolist() == halves.validation._labels_n.tolist()
    first_pixels = {tuple(image.flatten()[:20].tolist()) for image in validation}
    inner = training[:, :, 1:-1, 1:-1]
    assert not first_pixels & {tuple(image.flatten()[:20].tolist()) for image in inner}


def test_a_half_smaller_than_the_batch_is_one_batch_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        halves = data(21, 64)
    assert halves.batch_size == 10
    assert "batch_size 64 is more than the smaller part of the data: using 10" in caplog.text
    assert len(halves.training) == 1
