import copy
import io
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from enas_trainer.images.train import LEARNING_RATES, EpochMetrics, Training, TrainingSettings
from trial_runtime.errors import TrainingDiverged
from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import ImageDataset, load
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


def _training(child, dataset, settings, after_step=None):
    """The training images validate as well."""
    training, validation = (_batches(dataset, settings.batch_size, training=training) for training in (True, False))
    return Training(child, training, validation, settings, after_step=after_step)


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


def test_what_can_be_learned_is_learned():
    dataset = _two_shades(64)
    settings = TrainingSettings(num_epochs=3, batch_size=8)

    epochs = list(_training(_linear(), dataset, settings))

    assert [metrics.epoch for metrics in epochs] == [1, 2, 3]
    assert epochs[-1].validation_accuracy == epochs[-1].training_accuracy == 1.0
    assert epochs[-1].validation_loss < epochs[0].validation_loss < math.log(2)


def test_training_metrics_are_means_over_the_epoch():
    # A network that cannot change: the metrics of training are those of its fixed answer, class 0.
    dataset = _two_shades(20)
    frozen = _linear()
    frozen.register_forward_hook(lambda module, inputs, output: output * 0 + torch.tensor([1.0, 0.0]))
    settings = TrainingSettings(num_epochs=1, batch_size=4)

    (metrics,) = _training(frozen, dataset, settings)

    expected = math.log(1 + math.e) - 0.5
    assert metrics == EpochMetrics(
        epoch=1,
        training_accuracy=0.5,
        training_loss=pytest.approx(expected),
        validation_accuracy=0.5,
        validation_loss=pytest.approx(expected),
        seconds=0.0,
        images_per_second=0.0,
    )
    assert metrics.seconds > 0
    assert metrics.images_per_second > 0


def test_a_child_that_diverges_says_so_after_the_epochs_before_it():
    dataset = _two_shades(8)
    child = _linear()
    epochs = iter(_training(child, dataset, TrainingSettings(num_epochs=3, batch_size=4)))

    assert next(epochs).epoch == 1
    nn.init.constant_(child[1].weight, math.nan)
    with pytest.raises(
        TrainingDiverged,
        match=r"^epoch 2, training step 1: the loss is nan; a smaller learning rate than 0\.1 may help$",
    ):
        next(epochs)


def test_a_child_that_diverges_on_the_held_out_images_says_so():
    dataset = _two_shades(8)
    child = _linear()
    child.register_forward_hook(lambda module, inputs, output: output if module.training else output + math.inf)

    with pytest.raises(TrainingDiverged, match="epoch 1, validation step 1: the loss is nan"):
        list(_training(child, dataset, TrainingSettings(num_epochs=1, batch_size=4)))


class _Slope(nn.Module):
    """Logits whose cross entropy to class 1 of two is nearly linear in the only weight: its gradient is nearly -1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(-50.0))

    def forward(self, x_bchw):
        return torch.stack([torch.zeros_like(self.weight), self.weight]).expand(len(x_bchw), 2)


def _rates(num_steps, peak):
    """Two half cosines, with the numbers of torch's OneCycleLR: up from 1/25 over 30 % of the steps, then down."""
    end_of_rise = 0.3 * (num_steps + 1) - 1

    def between(start, end, share):
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    return [
        between(peak / 25, peak, step / end_of_rise)
        if step <= end_of_rise
        else between(peak, peak / 250_000, (step - end_of_rise) / (num_steps - end_of_rise))
        for step in range(num_steps)
    ]


def _ones(count):
    return replace(_two_shades(count), labels_n=torch.ones(count, dtype=torch.int64))


def test_sgd_takes_nesterovs_steps_along_two_half_cosines():
    child, settings = _Slope(), TrainingSettings(num_epochs=2, batch_size=4, learning_rate=0.2)

    list(_training(child, _ones(20), settings))

    weight, velocity = -50.0, 0.0
    for rate in _rates(10, 0.2):
        gradient = -1 + 5e-4 * weight
        velocity = 0.9 * velocity + gradient
        weight -= rate * (gradient + 0.9 * velocity)
    assert child.weight.item() == pytest.approx(weight, abs=1e-4)


def test_adam_takes_steps_of_the_learning_rate_where_the_gradient_stays_the_same():
    child = _Slope()
    settings = TrainingSettings(num_epochs=2, batch_size=4, optimizer="adam", learning_rate=LEARNING_RATES["adam"])

    list(_training(child, _ones(20), settings))

    assert child.weight.item() == pytest.approx(-50 + sum(_rates(10, LEARNING_RATES["adam"])), abs=1e-5)


class _Left(Exception):
    pass


def _bits(training):
    """All numbers of a state, but for the time that has passed."""
    buffer = io.BytesIO()
    torch.save({name: value for name, value in training.state_dict().items() if name != "seconds"}, buffer)
    return buffer.getvalue()


@pytest.mark.fault(20)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("leave_at", [1, 5, 7, 10])
def test_a_training_that_is_left_at_any_step_goes_on_to_the_same_bits(optimizer, leave_at):
    dataset = load("fake:20", None)
    settings = TrainingSettings(num_epochs=2, batch_size=4, optimizer=optimizer)
    states = []

    def child(seed):
        layers = nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)
        for weight in nn.Sequential(*layers).parameters():
            nn.init.normal_(weight, std=0.1, generator=generator(seed, "weights"))
        return nn.Sequential(*layers)

    def leave(training):
        states.append(copy.deepcopy(training.state_dict()))
        if len(states) == leave_at:
            raise _Left

    whole = _training(child(0), dataset, settings)
    epochs = list(whole)
    left = _training(child(0), dataset, settings, leave)
    with pytest.raises(_Left):
        list(left)

    resumed = _training(child(1), dataset, settings)
    resumed.load_state_dict(states[-1])
    found = epochs[: (leave_at - 1) // 5] + list(resumed)

    assert found == epochs
    assert _bits(resumed) == _bits(whole)
