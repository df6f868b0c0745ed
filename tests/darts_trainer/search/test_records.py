import contextlib
import csv
import logging
import math

import pytest
import torch

from cell_networks.layout import Layout
from darts_trainer.search import records
from darts_trainer.search.loop import EpochMetrics
from darts_trainer.search.records import BEST_VALIDATION, LAST, Epoch
from darts_trainer.supernet.derivation import derive
from darts_trainer.supernet.supernet import Supernet
from trial_runtime.events import Events

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


def epoch(number=1, validation_accuracy=0.5, net=None):
    net = net or supernet()
    metrics = EpochMetrics(
        epoch=number,
        train_loss=1.0,
        train_accuracy=0.25,
        validation_loss=2.0,
        validation_accuracy=validation_accuracy,
        learning_rate=0.1,
        seconds=3.0,
        images_per_second=100.0,
    )
    return Epoch.of(metrics, net, derive(*net.mixtures(), PRIMITIVES, 2))


def test_an_epoch_tells_how_decided_the_mixtures_are_and_counts_skips():
    found = epoch()
    expected = 0.5 * math.log(4) + 0.5 * math.log(2)
    assert found.normal_entropy == pytest.approx(expected, rel=1e-6)
    assert found.reduction_entropy == pytest.approx(expected, rel=1e-6)
    assert (found.normal_skips, found.reduction_skips) == (4, 4)


def test_without_reduction_cells_there_is_no_entropy_of_theirs():
    assert epoch(net=supernet(num_layers=1)).reduction_entropy is None


def test_the_last_epoch_or_the_first_of_best_validation_accuracy_is_chosen():
    epochs = [epoch(1, 0.2), epoch(2, 0.7), epoch(3, 0.7), epoch(4, 0.1)]
    assert records.chosen(epochs, LAST).epoch == 4
    assert records.chosen(epochs, BEST_VALIDATION).epoch == 2
    assert records.chosen([epoch(1, 0.0), epoch(2, 0.0)], BEST_VALIDATION).epoch == 1


def test_the_table_has_a_row_an_epoch(tmp_path):
    epochs = [epoch(1, 0.2), epoch(2, 0.7, supernet(num_layers=1))]
    records.write(tmp_path, epochs[:1], choice=LAST, search={})
    records.write(tmp_path, epochs, choice=LAST, search={})

    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["validation_accuracy"]) for row in rows] == [0.2, 0.7]
    assert rows[1]["reduction_entropy"] == ""
    assert rows[0]["genotype"] == epochs[0].genotype


def test_a_folder_that_refuses_is_a_warning(tmp_path, caplog):
    (tmp_path / "out").write_text("")
    with caplog.at_level(logging.WARNING):
        records.write(tmp_path / "out", [epoch()], choice=LAST, search={})
    assert "cannot be brought up to date" in caplog.text


def test_the_weights_of_an_epoch_that_is_searched_again_stand_there_once(tmp_path):
    for number in (1, 2, 3, 2):
        records.write_alphas(tmp_path, number, supernet())
    with (tmp_path / "alphas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"] * 30 + ["2"] * 30
    assert rows[30] == {
        "epoch": "2", "cell": "normal", "source": "0", "node": "2", "operation": "max_pooling_3x3", "weight": "0.25",
    }  # fmt: skip
    assert rows[-2]["cell"] == "reduction"
    assert (rows[-2]["operation"], rows[-2]["weight"]) == ("skip_connection", "0.5")


def test_a_table_of_somebody_elses_is_a_warning(tmp_path, caplog):
    (tmp_path / "alphas.csv").write_text("a\nb\n")
    records.write_alphas(tmp_path, 1, supernet())
    assert "alphas.csv cannot be brought up to date" in caplog.text


def test_there_is_a_curve_for_each_operation_on_each_edge(tmp_path, tensorboard):
    with contextlib.closing(Events(tmp_path, first_step=7)) as events:
        records.write_events(events, epoch(7), supernet())

    curves = tensorboard(tmp_path)
    assert sum(" edge " in name for name in curves) == 2 * 5 * 3
    assert curves["normal edge 1 to 3/skip_connection"] == [[7, 0.5]]
    assert curves["reduction edge 2 to 3/none"] == [[7, 0.25]]
    assert curves["loss/validation"] == [[7, 2.0]]
