"""Pages of what was started by hand."""

import json
from pathlib import Path

import pytest

from darts_genotype import forms, json_form
from katib_local.commands.cli import main
from katib_local.errors import RunFolderError
from katib_local.report import page, read_folder

GENOTYPE = (
    "Genotype(normal=[[('max_pooling_3x3',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[],"
    "reduce_concat=range(2,3))"
)
TABLE = """\
epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,normal_entropy,normal_skips,time
1,1.5,0.25,1.75,0.5,0.1,1.38,0,2026-01-01T00:00:00Z
2,1.25,0.5,1.5,0.75,0.1,1.25,1,2026-01-01T00:00:01Z
"""


@pytest.fixture
def search(tmp_path: Path) -> Path:
    folder = tmp_path / "cells"
    folder.mkdir()
    record = {
        **json_form.document(forms.read(GENOTYPE)),
        "genotype": GENOTYPE,
        "metrics": {"Validation-Accuracy": 0.75, "Normal-Skips": 1},
        "settings": {"num_epochs": 2},
        "remarks": ["the alphas are flat"],
        "seed": 3,
    }
    (folder / "genotype.json").write_text(json.dumps(record))
    (folder / "epochs.csv").write_text(TABLE)
    (folder / "alphas.csv").write_text("epoch,cell,source,node,operation,weight\n1,normal,0,2,max_pooling_3x3,1\n")
    return folder


def test_a_search_by_hand_has_a_page(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(search)]) == 0
    assert capsys.readouterr().out == f"{search / 'report.html'}\n"
    written = (search / "report.html").read_text()
    for text in ("cells", "0.75", "Alphas of cells", "Loss of each epoch", "Accuracy of each epoch", "num_epochs=2"):
        assert text in written
    for text in ("Entropy of each epoch", "Skips of each epoch", "the alphas are flat", 'id="best-picture"'):
        assert text in written
    report = read_folder.read(search)
    assert report.best is not None
    assert report.best.epochs["validation_loss"] == (1.75, 1.5)


def test_so_has_a_training_from_its_first_epoch_on(tmp_path: Path) -> None:
    (tmp_path / "epochs.csv").write_text("epoch,train_loss,train_accuracy,time\n1,1.5,0.25,t\n2,1.25,0.5,t\n")
    report = read_folder.read(tmp_path)
    assert (report.objective.metric, report.state) == ("Train-Accuracy", "the training of what was found, epoch 2")
    assert "Loss of each epoch" in page.render(report)


def test_a_broken_record_is_named(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (search / "genotype.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"genotype.json is broken"):
        read_folder.read(search)
    assert main(["report", str(search)]) == 2
    (search / "genotype.json").unlink()
    (search / "epochs.csv").unlink()
    assert main(["report", str(search)]) == 2
    assert "holds no run" in capsys.readouterr().err
