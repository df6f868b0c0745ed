"""Most of it needs a CUDA device: what is recorded there runs nowhere else."""

from functools import partial

import pytest
import torch

from cell_networks.layout import Layout
from darts_genotype.primitives import NONE, PRIMITIVES
from darts_service.settings import DartsSettings
from darts_trainer.search.loop import Search, SearchData
from darts_trainer.search.step_graph import Replayed, side_by_side
from darts_trainer.supernet.supernet import Supernet
from trial_runtime import precision
from trial_runtime.images.datasets import ImageDataset

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


def test_branches_answer_in_their_order():
    assert side_by_side([partial(torch.full, (), float(number)) for number in range(3)]) == [0, 1, 2]


@needs_cuda
def test_recorded_branches_compute_and_differentiate_as_launched_ones():
    """Over and over, on memory that is freed and used again while other branches still compute."""
    generator = torch.Generator(device="cuda").manual_seed(0)
    weights = [torch.randn(256, 256, device="cuda", generator=generator, requires_grad=True) for _ in range(5)]

    def branch(x, weight):
        for _ in range(4):
            x = torch.tanh(x @ weight / 16)
        return x

    def function(x):
        for _ in range(12):
            wide = x.clone()
            x = sum(side_by_side([partial(branch, wide, weight) for weight in weights])) / 3
            del wide
        return (x.detach(), *torch.autograd.grad(x.square().mean(), weights))

    replayed = Replayed(function)
    for _ in range(4):
        x = torch.randn(512, 256, device="cuda", generator=generator)
        for ours, theirs in zip(replayed(x), function(x), strict=True):
            assert torch.equal(ours, theirs)


def search(*, replay, order, options, **changes):
    precision.settle(torch.device("cuda"))  # sums in one order, so that equal searches are equal to the bit
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

    assert epochs == plain_epochs
    for ours, theirs in zip((*net.parameters(), *net.buffers()), (*plain.parameters(), *plain.buffers()), strict=True):
        assert torch.equal(ours, theirs)
