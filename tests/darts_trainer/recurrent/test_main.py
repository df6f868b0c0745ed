"""A recurrent trial as Katib starts it: flags, metric lines, files, refusals, kills, several processes."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from darts_genotype import forms
from darts_trainer.__main__ import main

SETTINGS = {
    "num_epochs": "2", "w_lr": "3", "batch_size": "8", "bptt": "8", "hidden_size": "8", "num_nodes": "3",
    "alpha_lr": "0.05",
}  # fmt: skip
SPACE = ["tanh", "relu", "sigmoid", "identity"]
SCRIPT = Path(__file__).with_name("data_parallel.py")


@pytest.fixture(autouse=True)
def no_data_from_the_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("KATIB_NAS_")]:
        monkeypatch.delenv(name)


def flags(settings=SETTINGS, space=SPACE, num_layers=1):
    values = {"algorithm-settings": settings, "search-space": space, "num-layers": num_layers}
    return [f'--{name}="{value}"' for name, value in values.items()]


@pytest.fixture
def search(tmp_path, capsys):
    def run(*others, dataset="grammar:700", out="out", **changes):
        data = ["--dataset", dataset] if dataset else []
        code = main([*flags(**changes), *data, "--output-dir", str(tmp_path / out), *others])
        return code, *capsys.readouterr()

    return run


def metrics(out):
    return [dict(re.findall(r"([\w|-]+)=([^ ]+)", line)) for line in out.splitlines()]


def test_a_line_of_metrics_an_epoch_and_the_genotype_at_the_end(search, tmp_path):
    code, out, err = search("--seed", "3")
    assert code == 0, err
    first, *epochs, last = metrics(out)
    assert set(first) == {"Unigram-Perplexity"}
    names = ["Train-Loss", "Train-Perplexity", "Validation-Loss", "Validation-Perplexity", "Parameters", "MACs"]
    assert [list(epoch) for epoch in epochs] == [names, names]
    found = forms.read(last["Best-Genotype"])
    # Inputs and three nodes, each with a gate; the words' matrix; the decoder's bias, which multiplies nothing.
    vocabulary, hidden = json.loads((tmp_path / "out/genotype.json").read_text())["vocabulary"], 8
    products = (2 + 3) * hidden * 2 * hidden + vocabulary * hidden
    assert {(epoch["Parameters"], epoch["MACs"]) for epoch in epochs} == {(str(products + vocabulary), str(products))}
    assert found.num_nodes == 3
    assert found.concat == (1, 2, 3)
    record = json.loads((tmp_path / "out/genotype.json").read_text())
    assert forms.read(json.dumps(record)) == found
    assert (record["version"], record["dataset"], record["vocabulary"]) == (2, "grammar:700", record["vocabulary"])
    assert record["settings"]["w_lr_min"] == 3.0
    with (tmp_path / "out/alphas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 6 * 5
    assert {row["operation"] for row in rows} == {*SPACE, "none"}
    with (tmp_path / "out/epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["multiply_adds"]) for row in rows] == [("1", str(products)), ("2", str(products))]


def test_a_seed_gives_one_search_and_what_is_over_is_told_again(search, caplog):
    caplog.set_level("INFO")
    _, out, _ = search("--seed", "3")
    _, again, _ = search("--seed", "3", out="other")
    assert [line.split(" ", 1)[1] for line in out.splitlines()] == [
        line.split(" ", 1)[1] for line in again.splitlines()
    ]
    _, third, _ = search("--seed", "3")
    assert third.splitlines()[:-1] == out.splitlines()[1:-1]
    assert metrics(third)[-1] == metrics(out)[-1]
    assert "is over" in caplog.text


@pytest.mark.parametrize(
    ("changes", "others", "message"),
    [
        ({"dataset": None}, [], "--dataset: a recurrent cell needs a text: text:DIR"),
        ({"dataset": "cifar10"}, [], "'cifar10' is not allowed: the texts are"),
        ({"dataset": "grammar:99"}, [], "batch_size: 8 .*the validation part has 9 words"),
        ({"space": ["tanh", "max_pooling_3x3"]}, [], "'max_pooling_3x3' is not allowed: the operations are tanh"),
        ({"space": ["tanh", "tanh"]}, [], "may stand there once"),
        ({"space": ["tanh", "warp"]}, [], "'warp'"),
        ({"settings": {**SETTINGS, "init_channels": "4"}}, [], "init_channels"),
        ({"settings": {**SETTINGS, "dropout": "1"}}, [], "dropout.*>= 0 and < 1"),
        ({"settings": {**SETTINGS, "batch_size": "None"}}, [], "batch_size"),
        ({"settings": {**SETTINGS, "batch_size": "1"}}, [], "norms need two columns"),
        ({}, ["--cutout", "4"], "--cutout"),
        ({}, ["--partial-channels", "4"], "--partial-channels"),
        ({}, ["--max-vocabulary", "2"], "max-vocabulary.*>= 3"),
    ],
)
def test_what_makes_no_sense_is_one_line(search, changes, others, message):
    code, out, err = search(*others, **changes)
    assert (code, out) == (2, "")
    assert re.search(f"^error: .*{message}", err.splitlines()[-1]), err


def test_the_vocabulary_and_the_text_of_the_environment(search, monkeypatch, tmp_path, caplog):
    caplog.set_level("INFO")
    monkeypatch.setenv("KATIB_NAS_DATASET", "grammar:700")
    monkeypatch.setenv("KATIB_NAS_MAX_VOCABULARY", "20")
    code, _, err = search("--seed", "1", dataset=None, settings={**SETTINGS, "num_epochs": "1"})
    assert code == 0, err
    assert "vocabulary 20;" in caplog.text
    assert json.loads((tmp_path / "out/genotype.json").read_text())["max_vocabulary"] == 20


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("order", ["1", "2"])
def test_a_killed_search_ends_as_one_that_was_not(search, order, monkeypatch, tmp_path):
    others = ("--seed", "5", "--order", order, "--checkpoint-every-steps", "1")
    _, whole, _ = search(*others, out="whole")
    from darts_trainer.search import loop

    class Fragile(loop.Search):
        left = 4

        def _log(self):
            Fragile.left -= 1
            if not Fragile.left:
                raise Interrupted
            super()._log()

    monkeypatch.setattr("darts_trainer.recurrent.trial.Search", Fragile)
    settings = {**SETTINGS, "print_step": "1"}
    for _ in range(20):
        Fragile.left = 4
        try:
            code, out, _ = search(*others, settings=settings)
        except Interrupted:
            continue
        assert code == 0
        break
    else:
        pytest.fail("it never ends")
    assert metrics(out)[-1] == metrics(whole)[-1]
    found, expected = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["state"]["search"] for name in ("out", "whole")
    )
    for name in ("supernet", "training_state", "architecture_state"):
        torch.testing.assert_close(found["supernet"][name], expected["supernet"][name], rtol=0, atol=0)


def test_another_text_is_not_gone_on_with(search, tmp_path):
    for part in ("train", "valid"):
        (tmp_path / f"{part}.txt").write_text("a b c d\n" * 60)
    name = f"text:{tmp_path}"
    settings = {**SETTINGS, "num_epochs": "1"}
    assert search("--seed", "1", dataset=name, settings=settings)[0] == 0
    (tmp_path / "train.txt").write_text("a b d c\n" * 60)
    checkpoint = tmp_path / "out/checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    state["state"]["epochs"] = []
    torch.save(state, checkpoint)
    code, _, err = search("--seed", "1", dataset=name, settings=settings)
    assert code == 2
    assert "checksum" in err


@pytest.fixture(scope="module")
def found(torchrun, tmp_path_factory):
    """What a process alone found, and what each of two that share every step did."""
    folder = tmp_path_factory.mktemp("found")
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, timeout=300)
    done = torchrun(2, SCRIPT, folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: torch.load(folder / f"{name}.pt") for name in ("0 of 1", "0 of 2", "1 of 2")}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("process", ["0 of 2", "1 of 2"])
def test_two_processes_search_as_one(found, process, order):
    """Norms aside, by which each process sees its own columns; a joint batch of five is no even share."""
    shared, alone = found[process][order], found["0 of 1"][order]
    torch.testing.assert_close(shared["state"], alone["state"], rtol=1e-10, atol=1e-10)
    assert shared["epochs"] == [pytest.approx(epoch, rel=1e-10) for epoch in alone["epochs"]]
