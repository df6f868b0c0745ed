import math
from contextlib import closing

import pytest
import torch

from cell_networks.layout import Layout
from darts_trainer.search import records
from darts_trainer.search.loop import EpochMetrics
from darts_trainer.supernet.derivation import derive
from darts_trainer.supernet.derived_cost import DerivedCost
from darts_trainer.supernet.epoch import Epoch, edge_weights
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.images.tally import Means
from trial_runtime.reporting.events import Events

PRIMITIVES = ("max_pooling_3x3", "skip_connection", "none")


def supernet(num_layers=2):
    layout = Layout(
        num_layers=num_layers, num_nodes=2, init_channels=2, stem_multiplier=1, image_channels=1, num_classes=2
    )
    net = Supernet(layout, PRIMITIVES, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for alpha in net.alphas():
            alpha.zero_()
            alpha[:, 1] = math.log(2)  # weights 1/4, 1/2, 1/4
    return net


def epoch(number=1, net=None):
    net = net or supernet()
    metrics = EpochMetrics(
        epoch=number,
        training=Means(loss=1.0, accuracy=0.25),
        validation=Means(loss=2.0, accuracy=0.5),
        learning_rate=0.1,
        seconds=3.0,
        examples_per_second=100.0,
    )
    cost = DerivedCost(parameters=100, multiply_adds=2000)
    return Epoch.of(metrics, net, derive(*net.mixtures(), PRIMITIVES, 2), cost)


def test_it_tells_how_decided_the_mixtures_are_and_counts_skips():
    found = epoch()
    expected = 0.5 * math.log(4) + 0.5 * math.log(2)
    assert found.normal_entropy == pytest.approx(expected, rel=1e-6)
    assert found.reduction_entropy == pytest.approx(expected, rel=1e-6)
    assert (found.normal_skips, found.reduction_skips) == (4, 4)


def test_without_reduction_cells_there_is_no_entropy_of_theirs():
    assert epoch(net=supernet(num_layers=1)).reduction_entropy is None


def test_what_counts_is_the_validation_accuracy():
    assert epoch().validation_score == 0.5


def test_operations_are_listed_edge_by_edge_and_kind_by_kind():
    first, *_, second_last, _ = edge_weights(supernet())
    assert first == ("normal", 0, 2, "max_pooling_3x3", 0.25)
    assert second_last == ("reduction", 2, 3, "skip_connection", 0.5)


def test_there_is_a_curve_for_each_operation_on_each_edge(tmp_path, tensorboard):
    with closing(Events(tmp_path, first_step=7)) as events:
        records.write_events(events, epoch(7), edge_weights(supernet()))

    curves = tensorboard(tmp_path)
    assert sum(" edge " in name for name in curves) == 2 * 5 * 3
    assert curves["normal edge 1 to 3/skip_connection"] == [[7, 0.5]]
    assert curves["reduction edge 2 to 3/none"] == [[7, 0.25]]
    assert curves["loss/validation"] == [[7, 2.0]]
