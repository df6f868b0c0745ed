"""Needs a CUDA device: what is recorded there runs nowhere else."""

import pytest
import torch

from darts_service.primitives import NONE, PRIMITIVES
from darts_service.settings import DartsSettings
from darts_trainer.layout import Layout
from darts_trainer.search import Search, SearchData
from darts_trainer.step_graph import Replayed
from darts_trainer.supernet import Supernet
from trial_runtime.datasets import ImageDataset

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@needs_cuda
def test_a_replayed_function_takes_new_inputs_and_gives_what_is_kept():
    total = torch.zeros(3, device="cuda")

    def function(x):
        total.add_(x)
        return (total * 2,)

    replayed = Replayed(function)
    outputs = [replayed(torch.full((3,), float(number), device="cuda"))[0] for number in range(1, 6)]

    assert [output[0].item() for output in outputs] == [2, 6, 12, 20, 30]
    assert total.tolist() == [15, 15, 15]


@needs_cuda
def test_inputs_of_another_shape_are_not_replayed():
    replayed = Replayed(lambda x: (x + 1,))

    shapes = [tuple(replayed(torch.ones(size, device="cuda"))[0].shape) for size in (4, 4, 4, 2, 4)]

    assert shapes == [(4,), (4,), (4,), (2,), (4,)]


def search(*, replay, order, options, **changes):
    generator = torch.Generator().manual_seed(0)
    layout = Layout(num_layers=3, num_nodes=2, init_channels=4, stem_multiplier=1, image_channels=3, num_classes=10)
    net = Supernet(layout, (*PRIMITIVES, NONE), generator=generator, **options).cuda()
    images = ImageDataset(
        name="noise",
        images_nchw=torch.randint(256, (100, 3, 16, 16), dtype=torch.uint8, generator=generator),
        labels_n=torch.randint(10, (100,), generator=generator),
        num_classes=10,
        may_flip=True,
    )
    data = SearchData.of(images, 8, device=torch.device("cuda"), seed=0, cutout=4)
    epochs = list(Search(net, data, DartsSettings(num_epochs=3), order=order, replay=replay, **changes))
    return net, epochs


@needs_cuda
@pytest.mark.parametrize(
    ("order", "options", "changes"),
    [
        (2, {}, {}),
        (1, {}, {}),
        (2, {"checkpoint_cells": True}, {"alpha_warmup_epochs": 1}),
        (2, {"partial_channels": 2, "auxiliary_skip": True}, {}),
        (2, {"precision": "bf16"}, {}),
    ],
)
def test_a_replayed_search_ends_where_the_same_search_does(order, options, changes):
    net, epochs = search(replay=True, order=order, options=options, **changes)
    plain, plain_epochs = search(replay=False, order=order, options=options, **changes)

    # Kernels add up in the order in which threads arrive.
    tolerance = 0.1 if "precision" in options else 0.02
    for ours, theirs in zip(epochs, plain_epochs, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=tolerance)
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=tolerance)
        assert ours.learning_rate == theirs.learning_rate
    for ours, theirs in zip(net.alphas(), plain.alphas(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)
    norms = [(a, b) for a, b in zip(net.buffers(), plain.buffers(), strict=True) if a.dtype == torch.int64]
    assert norms
    assert all(torch.equal(a, b) for a, b in norms)
