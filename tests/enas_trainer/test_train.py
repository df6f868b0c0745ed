import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from enas_trainer.train import EpochMetrics, TrainingSettings, evaluate, train
from trial_runtime.batches import Batches, Normalisation
from trial_runtime.datasets import ImageDataset, load, split
from trial_runtime.errors import TrainingDiverged
from trial_runtime.seeds import generator

PLAIN = Normalisation(mean_c=torch.zeros(1), std_c=torch.ones(1))


def _batches(dataset, batch_size, *, training):
    return Batches(
        dataset,
        batch_size,
        normalisation=PLAIN,
        device=torch.device("cpu"),
        generator=generator(0, "batches"),
        training=training,
    )


def _two_shades(count):
    """Dark and bright images, a class each."""
    labels = torch.arange(count) % 2
    images = (labels * 200).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    return ImageDataset(name="shades", images_nchw=images, labels_n=labels, num_classes=2, may_flip=False)


def _linear(num_classes=2):
    child = nn.Sequential(nn.Flatten(), nn.Linear(16, num_classes))
    nn.init.zeros_(child[1].weight)
    nn.init.zeros_(child[1].bias)
    return child


def test_evaluation_is_the_mean_over_all_images():
    dataset, _ = split(load("fake:50", None), 0.9, generator(0, "split"))
    child = nn.Sequential(nn.Conv2d(3, 10, 32), nn.BatchNorm2d(10), nn.Flatten())
    x = dataset.images_nchw / 255

    loss, accuracy = evaluate(child, _batches(dataset, 7, training=False), epoch=1)

    logits = child.eval()(x).detach()
    assert loss == pytest.approx(float(functional.cross_entropy(logits, dataset.labels_n)), rel=1e-5)
    assert accuracy == pytest.approx(float((logits.argmax(1) == dataset.labels_n).float().mean()))


def test_what_can_be_learned_is_learned():
    dataset = _two_shades(64)
    settings = TrainingSettings(num_epochs=3, batch_size=8)

    epochs = list(train(_linear(), _batches(dataset, 8, training=True), _batches(dataset, 8, training=False), settings))

    assert [metrics.epoch for metrics in epochs] == [1, 2, 3]
    assert epochs[-1].validation_accuracy == epochs[-1].training_accuracy == 1.0
    assert epochs[-1].validation_loss < epochs[0].validation_loss < math.log(2)


def test_training_metrics_are_means_over_the_epoch():
    # A network that cannot change: the metrics of training are those of its fixed answer, class 0.
    dataset = _two_shades(20)
    frozen = _linear()
    frozen.register_forward_hook(lambda module, inputs, output: output * 0 + torch.tensor([1.0, 0.0]))
    settings = TrainingSettings(num_epochs=1, batch_size=4)

    (metrics,) = train(frozen, _batches(dataset, 4, training=True), _batches(dataset, 4, training=False), settings)

    expected = math.log(1 + math.e) - 0.5
    assert metrics == EpochMetrics(
        epoch=1,
        training_accuracy=0.5,
        training_loss=pytest.approx(expected),
        validation_accuracy=0.5,
        validation_loss=pytest.approx(expected),
    )


def test_a_child_that_diverges_says_so_after_the_epochs_before_it():
    dataset = _two_shades(8)
    child = _linear()
    epochs = train(
        child,
        _batches(dataset, 4, training=True),
        _batches(dataset, 4, training=False),
        TrainingSettings(num_epochs=3, batch_size=4),
    )

    assert next(epochs).epoch == 1
    nn.init.constant_(child[1].weight, math.nan)
    with pytest.raises(TrainingDiverged, match="the training loss is nan in epoch 2"):
        next(epochs)


def test_a_child_that_diverges_on_the_held_out_images_says_so():
    child = _linear()
    nn.init.constant_(child[1].bias, math.inf)

    with pytest.raises(TrainingDiverged, match="the validation loss is nan in epoch 4"):
        evaluate(child, _batches(_two_shades(8), 4, training=False), epoch=4)
