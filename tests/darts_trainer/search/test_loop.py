import contextlib
import io
import logging

import pytest
import torch
from torch.nn import functional

from cell_networks.layout import Layout
from darts_service.settings import DartsSettings
from darts_trainer.search.loop import Search
from darts_trainer.supernet.classification import Classification
from darts_trainer.supernet.data import SearchData
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.errors import TrainingDiverged
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


def supernet(seed=0, **options):
    layout = Layout(num_layers=2, num_nodes=1, init_channels=2, stem_multiplier=1, image_channels=1, num_classes=2)
    primitives = ("separable_convolution_3x3", "skip_connection", "none")
    return Supernet(layout, primitives, generator=torch.Generator().manual_seed(seed), **options)


def search(net, halves, settings, **options):
    return Search(Classification(net, halves), settings, **options)


@pytest.mark.parametrize("order", [1, 2])
def test_a_search_learns_weights_and_alphas(order):
    net = supernet()
    alphas = [alpha.detach().clone() for alpha in net.alphas()]
    settings = DartsSettings(num_epochs=4, w_lr=0.1, alpha_lr=0.01)
    epochs = list(search(net, data(64, 8), settings, order=order))
    assert [metrics.epoch for metrics in epochs] == [1, 2, 3, 4]
    assert epochs[-1].training.loss < 0.7 * epochs[0].training.loss
    assert epochs[-1].validation.accuracy > 0.9
    assert all(0 <= metrics.training.accuracy <= 1 for metrics in epochs)
    assert not any(torch.equal(before, after) for before, after in zip(alphas, net.alphas(), strict=True))


def test_alphas_stay_as_they_are_while_the_weights_warm_up():
    net = supernet()
    alphas = [alpha.detach().clone() for alpha in net.alphas()]
    weight = net.stem[0].weight.detach().clone()
    still = []
    for _ in search(net, data(24, 6), DartsSettings(num_epochs=3), order=2, alpha_warmup_epochs=2):
        still.append([torch.equal(before, now) for before, now in zip(alphas, net.alphas(), strict=True)])
        assert not torch.equal(weight, net.stem[0].weight)
    assert still == [[True, True], [True, True], [False, False]]


def test_a_search_is_repeatable():
    def run():
        net = supernet()
        epochs = list(search(net, data(24, 6), DartsSettings(num_epochs=2), order=2))
        return epochs, [parameter.detach().clone() for parameter in net.parameters()]

    (epochs, parameters), (epochs_again, parameters_again) = run(), run()
    assert epochs == epochs_again
    assert all(torch.equal(a, b) for a, b in zip(parameters, parameters_again, strict=True))


class Left(Exception):
    """Stands in for whatever ends a process."""


@pytest.mark.parametrize(
    ("left_at", "train_portion"),
    [((1, 1), 0.45), ((1, 3), 0.45), ((2, 0), 0.45), ((2, 2), 0.45), ((3, 3), 0.45), ((1, 2), 0.3)],
)
@pytest.mark.parametrize("order", [1, 2])
def test_a_search_that_is_left_and_gone_on_with_ends_the_same_to_the_bit(left_at, train_portion, order):
    """At a step within an epoch, at an epoch's last step, and between epochs (step 0).

    The passes over the two parts have different lengths: 3 batches each, of 12 and 15 images, or 2 and 4.
    """
    settings = DartsSettings(num_epochs=3, w_lr=0.1, alpha_lr=0.01)

    def begin(seed, after_step=None):
        halves = SearchData.of(dataset(27), 4, device=CPU, seed=seed, train_portion=train_portion, cutout=2)
        return search(supernet(seed), halves, settings, order=order, after_step=after_step)

    saved = io.BytesIO()

    def leave(running):
        if (len(left), running.step) == (left_at[0] - 1, left_at[1]):
            torch.save(running.state_dict(), saved)
            raise Left

    whole = begin(seed=0)
    expected = list(whole)
    left = []
    running = begin(seed=0, after_step=leave)
    with contextlib.suppress(Left):
        for metrics in running:
            left.append(metrics)
            leave(running)
    saved.seek(0)
    gone_on_with = begin(seed=0)
    gone_on_with.load_state_dict(torch.load(saved, weights_only=True))

    assert [*left, *gone_on_with] == expected
    assert _same(gone_on_with.state_dict(), whole.state_dict())


def _same(a, b):
    """Whether two states are equal in every bit."""
    match a:
        case torch.Tensor():
            return torch.equal(a, b)
        case dict():
            return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a if key != "seconds")
        case list():
            return len(a) == len(b) and all(map(_same, a, b))
    return a == b


def test_training_metrics_are_those_of_the_weight_steps():
    """With both learning rates zero, the mean loss over the epoch is that of the first weights, batch by batch."""
    net, halves, twin = supernet(), data(24, 4), data(24, 4)
    still = DartsSettings(num_epochs=1, w_lr=0.0, w_lr_min=0.0, alpha_lr=0.0)
    expected = [functional.cross_entropy(net(x), y).item() for x, y in twin.training]
    (metrics,) = search(net, halves, still, order=1)
    assert metrics.training.loss == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_divergence_names_epoch_step_and_settings():
    net = supernet()
    with pytest.raises(TrainingDiverged, match=r"epoch 1, training step [23]: the loss is nan; .* w_lr \(1e\+30\)"):
        list(search(net, data(24, 4), DartsSettings(w_lr=1e30, w_grad_clip=0.0), order=1))


def test_step_lines_hold_no_metric(caplog):
    with caplog.at_level(logging.INFO):
        list(search(supernet(), data(24, 4), DartsSettings(num_epochs=1, print_step=2), order=1))
    lines = [record.getMessage() for record in caplog.records if "step" in record.getMessage()]
    assert [line.split(":")[0] for line in lines] == ["epoch 1, step 2 of 3"]
    assert "=" not in caplog.text
