import pytest
import torch
from torch.nn import functional

from cell_networks.layout import Layout
from darts_genotype.primitives import NONE, PRIMITIVES
from darts_service.settings import DartsSettings
from darts_trainer.search.loop import Search
from darts_trainer.supernet.classification import Classification
from darts_trainer.supernet.data import SearchData
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.devices import precision
from trial_runtime.images.datasets import ImageDataset

CPU = torch.device("cpu")

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def dataset(num_images, size=8, channels=1):
    """Images of two classes that differ in brightness: easily learnt."""
    labels_n = torch.arange(num_images) % 2
    noise = torch.randint(100, (num_images, channels, size, size), generator=torch.Generator().manual_seed(0))
    images_nchw = (noise + 120 * labels_n[:, None, None, None]).to(torch.uint8)
    return ImageDataset(name="bright", images_nchw=images_nchw, labels_n=labels_n, num_classes=2, may_flip=False)


def data(num_images, batch_size, seed=0):
    return SearchData.of(dataset(num_images), batch_size, device=CPU, seed=seed)


def supernet(seed=0, **options):
    layout = Layout(num_layers=2, num_nodes=1, init_channels=2, stem_multiplier=1, image_channels=1, num_classes=2)
    primitives = ("separable_convolution_3x3", "skip_connection", "none")
    return Supernet(layout, primitives, generator=torch.Generator().manual_seed(seed), **options)


def search(net, halves, settings, **options):
    return Search(Classification(net, halves), settings, **options)


def test_auxiliary_skips_lose_weight_from_epoch_to_epoch():
    net = supernet(auxiliary_skip=True)
    weights = [net.auxiliary_weight.item() for _ in search(net, data(24, 6), DartsSettings(num_epochs=4), order=1)]
    assert weights == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("order", [1, 2])
def test_only_weight_steps_count_in_the_running_statistics(order):
    net = supernet()
    list(search(net, data(24, 4), DartsSettings(num_epochs=2), order=order))
    assert net.stem[1].num_batches_tracked.item() == 2 * 3


def test_validation_is_in_eval_mode_over_the_whole_half_as_it_is():
    net, halves = supernet(), data(22, 4)
    net(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    loss, accuracy = Classification(net, halves).validate("validation", "")
    assert not net.training
    x_bchw, labels_b = (torch.cat(parts) for parts in zip(*halves.validation, strict=True))
    assert len(labels_b) == 11
    with torch.no_grad():
        logits_bk = net(x_bchw)
    assert loss == pytest.approx(functional.cross_entropy(logits_bk, labels_b).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits_bk.argmax(1) == labels_b).double().mean().item())


def searched(*, replay, order, options, **changes):
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
    problem = Classification(net, data, replays=replay)
    epochs = list(Search(problem, DartsSettings(num_epochs=3), order=order, **changes))
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
    net, epochs = searched(replay=True, order=order, options=options, **changes)
    plain, plain_epochs = searched(replay=False, order=order, options=options, **changes)

    assert epochs == plain_epochs
    for ours, theirs in zip((*net.parameters(), *net.buffers()), (*plain.parameters(), *plain.buffers()), strict=True):
        assert torch.equal(ours, theirs)
