import pytest
import torch
from torch import nn
from torch.nn import functional

from trial_runtime.images.batches import Batches, Normalisation
from trial_runtime.images.datasets import load, split
from trial_runtime.images.tally import Tally, evaluate
from trial_runtime.processes.processes import ALONE
from trial_runtime.seeds import generator


def test_evaluation_is_the_mean_over_all_images():
    dataset, _ = split(load("fake:50", None), 0.9, generator(0, "split"))
    network = nn.Sequential(nn.Conv2d(3, 10, 32), nn.BatchNorm2d(10), nn.Flatten())
    batches = Batches(
        dataset,
        7,
        normalisation=Normalisation(mean_c=torch.zeros(1), std_c=torch.ones(1)),
        device=torch.device("cpu"),
        generator=generator(0, "batches"),
        training=False,
    )

    loss, accuracy = evaluate(network, batches, Tally("validation", ALONE, ""))

    logits = network.eval()(dataset.images_nchw / 255).detach()
    assert loss == pytest.approx(float(functional.cross_entropy(logits, dataset.labels_n)), rel=1e-5)
    assert accuracy == pytest.approx(float((logits.argmax(1) == dataset.labels_n).float().mean()))
