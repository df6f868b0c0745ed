import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import forms
from darts_trainer.retraining.config import RetrainSettings
from darts_trainer.retraining.learner import CellsLearner
from trial_runtime.errors import TrainingDiverged
from trial_runtime.images.datasets import DatasetError, ImageDataset
from trial_runtime.retraining.data import RetrainData
from trial_runtime.retraining.training import Retraining

CPU = torch.device("cpu")
GENOTYPE = forms.read(
    "Genotype(normal=[[('separable_convolution_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),"
    "reduce=[[('max_pooling_3x3',0),('skip_connection',1)]],reduce_concat=range(2,3))"
)
LAYOUT = Layout(num_layers=2, num_nodes=1, init_channels=4, stem_multiplier=1, image_channels=1, num_classes=2)


def bright(num_images, size=8):
    """Images of two classes that differ in brightness: easily learnt."""
    labels_n = torch.arange(num_images) % 2
    noise = torch.randint(100, (num_images, 1, size, size), generator=torch.Generator().manual_seed(0))
    images_nchw = (noise + 120 * labels_n[:, None, None, None]).to(torch.uint8)
    return ImageDataset(name="bright", images_nchw=images_nchw, labels_n=labels_n, num_classes=2, may_flip=False)


def data(num_images=32, batch_size=8, train_portion=1.0, seed=0, cutout=0):
    return RetrainData.of(
        bright(num_images), batch_size, train_portion=train_portion, cutout=cutout, device=CPU, seed=seed
    )


def network(*, auxiliary=True, precision="fp32"):
    return Network(
        GENOTYPE,
        LAYOUT,
        generator=torch.Generator().manual_seed(0),
        auxiliary_image_size=(8, 8) if auxiliary else None,
        precision=precision,
    )


def training(net, images, **changes):
    settings = RetrainSettings(**{"num_epochs": 2, "batch_size": 8, "print_step": 3} | changes)
    return Retraining(net, CellsLearner(net, settings), images, settings, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "cells",
    [
        (
            "normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 0)], normal_concat=[1, 2], "
            "reduce=[('max_pool_3x3', 1), ('skip_connect', 1)], reduce_concat=[0, 2]"
        ),
        (
            "normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 0)], normal_concat=[2], "
            "reduce=[('max_pool_3x3', 0), ('skip_connect', 0)], reduce_concat=[2]"
        ),
    ],
    ids=["outputs of inputs", "an input that no cell reads"],
)
def test_cells_of_other_searches_learn(cells):
    """In the second network nothing comes of the last cell but one."""
    layout = replace(LAYOUT, num_layers=3)
    net = Network(forms.read(f"Genotype({cells})"), layout, generator=torch.Generator().manual_seed(0))
    first, *_, last = training(net, data(64), num_epochs=6, learning_rate=0.1, auxiliary_weight=0.0)
    assert last.training.loss < 0.8 * first.training.loss
    assert all(weight.isfinite().all() for weight in net.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(precision):
    net = network(precision=precision)
    *_, last = training(net, data(64, train_portion=0.5), num_epochs=10, learning_rate=0.1)
    assert last.epoch == 10
    assert last.training.accuracy > 0.9
    assert last.validation.accuracy > 0.9
    assert last.validation.loss < math.log(2)
    assert all(weight.dtype == torch.float32 for weight in net.parameters())


def test_held_out_images_are_the_same_in_every_run_and_none_is_trained_on():
    first, second = data(20, train_portion=0.8, seed=1), data(20, train_portion=0.8, seed=2)
    (held_out, _), (again, _) = next(iter(first.validation)), next(iter(second.validation))
    assert len(held_out) == 4
    assert torch.equal(held_out, again)
    assert len(first.training) * first.batch_size == 16
    assert data(20).validation is None
    with pytest.raises(DatasetError, match="at least 2 images"):
        data(1, train_portion=0.5)


def test_the_learning_rate_falls_as_a_cosine_and_paths_are_dropped_more_and_more():
    settings = RetrainSettings(num_epochs=4, learning_rate=1.0, learning_rate_min=0.2)
    assert [settings.rate(epoch) for epoch in (1, 3, 5)] == pytest.approx([1.0, 0.6, 0.2])
    # With probability 1 at the end that the paper's form never reaches, training still has a finite scale.
    assert [metrics.epoch for metrics in training(network(), data(), drop_path=1.0, num_epochs=3)] == [1, 2, 3]


def test_a_step_is_sgd_on_the_loss_of_both_classifiers():
    """Against torch's own, written out: the first epoch drops no path."""
    images = data(8)
    net, plain = network(), network()
    settings = {"auxiliary_weight": 0.4, "grad_clip": 0.5, "learning_rate": 0.1, "num_epochs": 1}
    (metrics,) = training(net, images, **settings)

    ((x_bchw, labels_b),) = data(8).training
    sgd = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9, weight_decay=3e-4)
    logits_bk, auxiliary_bk = plain.training_logits(x_bchw, None)
    loss = functional.cross_entropy(logits_bk, labels_b)
    (loss + 0.4 * functional.cross_entropy(auxiliary_bk, labels_b)).backward()
    assert torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5) > 0.5
    sgd.step()
    assert metrics.training.loss == pytest.approx(loss.item())
    for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_weight_there_is_no_second_classifier():
    net = network(auxiliary=False)
    assert not any(name.startswith("auxiliary") for name, _ in net.named_parameters())
    (metrics,) = training(net, data(), auxiliary_weight=0.0, num_epochs=1)
    assert math.isfinite(metrics.training.loss)


def test_classifying_changes_nothing_and_drops_nothing():
    net = network()
    run = training(net, data(train_portion=0.5))
    before = copy.deepcopy(net.state_dict())
    first, second = (run.classify(run._data.validation, "twice") for _ in range(2))
    assert first == second
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_a_loss_that_is_not_finite_names_what_may_help():
    with pytest.raises(TrainingDiverged, match=r"epoch 1, training step \d+: .* --learning-rate \(1e\+30\)"):
        list(training(network(), data(), learning_rate=1e30, grad_clip=0.0))


@pytest.mark.parametrize("num_steps", [0, 1, 3, 4, 6])
def test_a_training_that_is_left_at_any_step_goes_on_to_the_same_bits(num_steps):
    """Four steps an epoch, the second of which drops paths; order, augmentation and momentum go on as well."""

    class Left(Exception):
        pass

    left = {}

    def leave(run):
        left["steps"] = left.get("steps", 0) + 1
        if left["steps"] == num_steps:
            left["state"] = copy.deepcopy(run.state_dict())
            raise Left

    def fresh(net, seed=0, after_step=None):
        settings = RetrainSettings(num_epochs=3, batch_size=8, drop_path=0.5)
        images = data(32, seed=seed, cutout=4)
        return Retraining(
            net,
            CellsLearner(net, settings),
            images,
            settings,
            generator=torch.Generator().manual_seed(seed),
            after_step=after_step,
        )

    whole = network()
    expected = list(fresh(whole))

    first = fresh(network(), after_step=leave)
    epochs = []
    if num_steps == 0:
        left["state"] = copy.deepcopy(first.state_dict())
    else:
        with pytest.raises(Left):
            epochs.extend(first)
    net = network()
    second = fresh(net, seed=1)
    second.load_state_dict(left["state"])
    assert second.step == num_steps % 4 or num_steps == 4
    found = epochs + list(second)
    assert found[-2:] == expected[-2:]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(net.state_dict()[name], tensor), name
