import csv
import json
import logging
from dataclasses import dataclass

import pytest

from darts_trainer.search import records
from darts_trainer.search.records import BEST_VALIDATION, LAST, EdgeWeight

GENOTYPE = (
    "Genotype(normal=[[('max_pooling_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[],"
    "reduce_concat=range(2,3))"
)


@dataclass
class Epoch:
    """Of a search that measures something else than accuracy."""

    epoch: int
    perplexity: float
    note: str | None = None
    time: str = "2026-01-01T00:00:00Z"
    genotype: str = GENOTYPE

    @property
    def validation_score(self):
        return -self.perplexity

    def metrics(self):
        return {"Validation-Perplexity": self.perplexity}

    def curves(self):
        return {"perplexity": self.perplexity}


def weights(*, of_skips):
    return [
        EdgeWeight("normal", 0, 2, "max_pooling_3x3", 1 - of_skips),
        EdgeWeight("normal", 1, 2, "skip_connection", of_skips),
    ]


def test_the_last_epoch_or_the_first_that_validated_best_is_chosen():
    epochs = [Epoch(1, 80.0), Epoch(2, 30.0), Epoch(3, 30.0), Epoch(4, 90.0)]
    assert records.chosen(epochs, LAST).epoch == 4
    assert records.chosen(epochs, BEST_VALIDATION).epoch == 2


def test_the_record_holds_the_genotype_of_the_chosen_epoch_and_the_metrics_of_all(tmp_path):
    records.write(tmp_path, [Epoch(1, 30.0), Epoch(2, 40.0)], choice=BEST_VALIDATION, search={"seed": 7})
    record = json.loads((tmp_path / "genotype.json").read_text())
    assert record["normal"] == [[["max_pooling_3x3", 0], ["skip_connection", 1]]]
    assert (record["epoch"], record["metrics"], record["seed"]) == (1, {"Validation-Perplexity": 30.0}, 7)
    assert [epoch["Validation-Perplexity"] for epoch in record["epochs"]] == [30.0, 40.0]


def test_the_table_has_a_row_an_epoch(tmp_path):
    epochs = [Epoch(1, 80.0, "slow"), Epoch(2, 30.0)]
    records.write(tmp_path, epochs[:1], choice=LAST, search={})
    records.write(tmp_path, epochs, choice=LAST, search={})

    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["perplexity"]) for row in rows] == [80.0, 30.0]
    assert [row["note"] for row in rows] == ["slow", ""]
    assert rows[0]["genotype"] == GENOTYPE


def test_a_folder_that_refuses_is_a_warning(tmp_path, caplog):
    (tmp_path / "out").write_text("")
    with caplog.at_level(logging.WARNING):
        records.write(tmp_path / "out", [Epoch(1, 80.0)], choice=LAST, search={})
    assert "cannot be brought up to date" in caplog.text


def test_the_weights_of_an_epoch_that_is_searched_again_stand_there_once(tmp_path):
    for number, of_skips in ((1, 0.5), (2, 0.5), (3, 0.5), (2, 0.25)):
        records.write_alphas(tmp_path, number, weights(of_skips=of_skips))
    with (tmp_path / "alphas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "1", "2", "2"]
    assert rows[-1] == {
        "epoch": "2", "cell": "normal", "source": "1", "node": "2", "operation": "skip_connection", "weight": "0.25",
    }  # fmt: skip


def test_a_table_of_somebody_elses_is_a_warning(tmp_path, caplog):
    (tmp_path / "alphas.csv").write_text("a\nb\n")
    records.write_alphas(tmp_path, 1, weights(of_skips=0.5))
    assert "alphas.csv cannot be brought up to date" in caplog.text


@pytest.mark.parametrize("choice", records.CHOICES)
def test_of_one_epoch_that_one_is_chosen(choice):
    assert records.chosen([Epoch(1, 80.0)], choice).epoch == 1
