"""Trials of recurrent cells: what they build, report, share and keep, and how they are gone on with."""

import json
import math
import re
import signal

import pytest
import torch

from cell_networks.recurrent import language_model
from darts_genotype import forms
from enas_trainer.__main__ import main
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.arguments import choices
from enas_trainer.arguments.recurrent import parse
from enas_trainer.recurrent import config
from enas_trainer.recurrent.child import Child
from enas_trainer.recurrent.train import TextTraining
from enas_trainer.sharing.shared_weights import borrow, give_back
from katib_suggestion.parsing import assignment
from tests.warm_python import with_torch
from trial_runtime.checkpointing import checkpoints
from trial_runtime.seeds import generator
from trial_runtime.text import corpora

V2 = "0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"
"""The second cell that the authors of DARTS published, as enas_lm would write it."""
V2_GENOTYPE = (
    "Genotype(recurrent=[('sigmoid',0),('relu',1),('relu',1),('identity',1),('tanh',2),('sigmoid',5),('tanh',3),"
    "('relu',5)],concat=range(1,9))"
)
NAMES = ["Training-Perplexity", "Training-Loss", "Validation-Perplexity", "Validation-Loss", "Tokens-Per-Second"]
FUNCTIONS = ("tanh", "relu", "sigmoid", "identity")


def nn_config(num_nodes=2, **changes):
    embedding = {str(i): {"opt_id": i, "opt_type": name, "opt_params": {}} for i, name in enumerate(FUNCTIONS)}
    sizes = {"num_layers": 1, "input_sizes": [20], "output_sizes": [20]}
    return {**sizes, "search_for": "recurrent", "num_nodes": num_nodes, "embedding": embedding} | changes


def texts(row="[[0, 1, 1, 0]]", **changes):
    return str(row), assignment.encode(nn_config(**changes))


def flags(folder, *more, row="[[0, 1, 1, 0]]"):
    architecture, configuration = texts(row)
    return [
        f"--architecture={architecture}", f"--nn_config={configuration}", "--dataset=grammar:900",
        "--num_epochs=2", "--batch-size=8", "--bptt=20", "--hidden-size=4", "--device=cpu", f"--output-dir={folder}",
        *more,
    ]  # fmt: skip


def metrics(text):
    return [{match[1]: float(match[2]) for match in re.finditer(r"([\w-]+)=(\S+)", line)} for line in text.splitlines()]


def timeless(lines):
    return [re.sub(r" Tokens-Per-Second=\S+", "", line.split(" ", 1)[1]) for line in lines.splitlines()]


def test_the_published_cell_is_the_same_network_to_the_bit_whichever_way_it_is_built():
    rows = [[int(number) for number in V2.split()]]
    asked = config.read(*texts(rows, num_nodes=8))
    assert asked.genotype == forms.read(V2_GENOTYPE)
    ours = Child(asked, 6, generator(0, "w"))
    theirs = language_model(forms.read(V2_GENOTYPE), 20, 6, generator=generator(0, "w"))
    words_tb = torch.randint(20, (5, 3), generator=generator(1, "words"))
    reads = [model(words_tb, model.initial_state(3)) for model in (ours, theirs)]
    assert torch.equal(reads[0].logits_tbv, reads[1].logits_tbv)
    assert ours.num_parameters == sum(weight.numel() for weight in theirs.parameters())


def test_a_trial_reports_each_epoch_and_keeps_its_record(tmp_path, capfd):
    assert main(flags(tmp_path, "--seed=5")) == 0

    cost, *epochs = metrics(capfd.readouterr().out)
    # The embedding with the decoder's bias; node 0 with two inputs, and two nodes.
    parameters = 20 * 4 + 20 + 2 * 4 * 8 + 2 * 4 * 8
    assert (cost["Parameters"], cost["MACs"]) == (parameters, parameters - 20)
    assert [list(epoch) for epoch in epochs] == [NAMES, NAMES]
    for epoch in epochs:
        assert epoch["Validation-Perplexity"] == pytest.approx(math.exp(epoch["Validation-Loss"]), rel=1e-3)
    assert epochs[1]["Training-Loss"] < epochs[0]["Training-Loss"]
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert (record["architecture"], record["nn_config"]) == ([[0, 1, 1, 0]], nn_config())
    assert record["genotype"] == {"version": 2, "recurrent": [["relu", 0], ["tanh", 1]], "concat": [1, 2]}
    assert (record["parameters"], record["seed"], record["max_vocabulary"]) == (parameters, 5, 20)
    assert record["training"]["hidden_size"] == 4


def test_a_seed_makes_a_trial_repeatable(tmp_path, capfd):
    lines = []
    for place, seed in enumerate((5, 5, 6)):
        assert main(flags(tmp_path / str(place), f"--seed={seed}", "--dropout=.5", "--dropoute=.1")) == 0
        lines.append(timeless(capfd.readouterr().out))
    assert lines[0] == lines[1] != lines[2]


def test_choices_bfloat16_and_the_published_text_are_taken(tmp_path, capfd):
    chosen = {
        "input_sizes": [20], "output_sizes": [20], "node_1_source": "0", "node_1_activation": "relu",
        "node_2_source": "1", "node_2_activation": "tanh",
    }  # fmt: skip
    without = [flag for flag in flags(tmp_path / "a", "--seed=1") if not flag.startswith(("--arch", "--nn_"))]
    assert main([f"--choices={assignment.encode(chosen)}", *without]) == 0
    assert main(flags(tmp_path / "b", "--seed=1", row="0 1 1 0")) == 0
    lines = timeless(capfd.readouterr().out)
    assert lines[:3] == lines[3:]
    assert main(flags(tmp_path / "c", "--precision=bf16")) == 0


def test_the_test_part_is_never_read(tmp_path, capfd):
    for part in ("train", "valid"):
        (tmp_path / f"{part}.txt").write_text("a b c a b\n" * 60)
    configuration = assignment.encode(nn_config(input_sizes=[5], output_sizes=[5]))
    (tmp_path / "test.txt").mkdir()  # whoever opens it fails
    given = [f"--nn_config={configuration}", f"--dataset=text:{tmp_path}"]
    assert main(flags(tmp_path / "out", *given)) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--architecture=[[0, 1, 2, 0]]"], "architecture row 1, node 2, source: 2 is not allowed"),
        (["--architecture=[[0, 1, 1, 4]]"], "architecture row 1, node 2, function: 4 is not allowed"),
        (["--architecture=[[0, 1]]"], "architecture row 1: '2 numbers' is not allowed: 2 nodes are 4 numbers"),
        (["--architecture=0 1 1"], "architecture: '3 numbers' is not allowed"),
        (["--architecture=[[0], [0, 1]]"], "architecture: [[0], [0, 1]] is not allowed: it must be one row"),
        (["--max-vocabulary=15"], "nn_config.input_sizes: [20] is not allowed: the text has a vocabulary of 15 words"),
        ([f"--nn_config={nn_config(output_sizes=[21])}"], "nn_config.output_sizes: [21] is not allowed"),
        ([f"--nn_config={nn_config(input_sizes=[8, 8, 3])}"], "nn_config.input_sizes: [8, 8, 3] is not allowed"),
        ([f"--nn_config={nn_config(input_sizes=[2])}"], "nn_config.input_sizes: [2] is not allowed"),
        ([f"--nn_config={nn_config(num_layers=65)}"], "nn_config.num_layers: 65 is not allowed"),
        (["--dataset=digits"], "dataset: 'digits' is not allowed: the texts are"),
        (["--batch-size=500"], "batch_size: 500 is not allowed: the training part has 900 words"),
        (["--init-channels=3"], "unrecognized arguments: --init-channels=3"),
        (["--dropout=1"], "--dropout: '1' is not allowed"),
        (["--learning-rate=0"], "--learning-rate: '0' is not allowed"),
        (["--num_epochs=0"], "--num_epochs: '0' is not allowed"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(more, message, tmp_path, capfd):
    assert main(flags(tmp_path, *more)) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_a_text_must_be_named(tmp_path, capfd, monkeypatch):
    monkeypatch.delenv("KATIB_NAS_DATASET", raising=False)
    assert main([flag for flag in flags(tmp_path) if not flag.startswith("--dataset")]) == 2
    assert "--dataset: a recurrent cell needs a text" in capfd.readouterr().err


def test_a_training_that_diverges_says_so(tmp_path, capfd):
    assert main(flags(tmp_path, "--learning-rate=1e30", "--grad-clip=0")) == 4
    assert re.search(r"error: epoch \d, .*: the loss is (nan|inf); .* may help", capfd.readouterr().err)


PROGRAM = """
import os, signal, sys
from enas_trainer.__main__ import main
from enas_trainer.recurrent.train import TextTraining
name, count = sys.argv[1], int(sys.argv[2])
take = TextTraining._step
def step(*arguments):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.Signals[name])
    return take(*arguments)
TextTraining._step = step
sys.exit(main(sys.argv[3:]))
"""


def bits(folder):
    training = checkpoints.read(folder / "checkpoint.pt").state["training"]
    tensors = [*training["weights"], training["state"], training["masks"], training["batches"]["generator"]]
    return [tensor.numpy().tobytes() for tensor in tensors]


@pytest.mark.parametrize(
    ("name", "count", "more"), [("SIGKILL", 9, ["--checkpoint-every-steps=1"]), ("SIGKILL", 9, []), ("SIGTERM", 3, [])]
)
def test_a_trial_that_is_killed_goes_on_to_the_same_bits(name, count, more, tmp_path, capfd):
    same = ["--seed=1", "--dropouth=.3", f"--shared-weights={tmp_path / 'bank'}"]
    killed = with_torch.run("-c", PROGRAM, name, count, *flags(tmp_path / "out", *same, *more), cwd=tmp_path)
    assert killed.returncode == (143 if name == "SIGTERM" else -signal.SIGKILL), killed.stderr
    assert not list((tmp_path / "bank").rglob("*.safetensors"))
    assert main(flags(tmp_path / "out", *same)) == 0
    gone_on = timeless(capfd.readouterr().out)
    whole = [*same[:2], f"--shared-weights={tmp_path / 'other'}"]
    assert main(flags(tmp_path / "whole", *whole)) == 0
    assert bits(tmp_path / "out") == bits(tmp_path / "whole")
    assert gone_on == timeless(capfd.readouterr().out)
    assert main(flags(tmp_path / "out", *same, "--dropouth=.4")) == 2
    assert "settings.dropouth is 0.3 there and 0.4 here" in capfd.readouterr().err


def child(row, seed=0):
    return Child(config.read(*texts(row)), 4, generator(seed, "weights"))


def test_weights_belong_to_a_node_and_its_source_whatever_its_function(tmp_path):
    given = child([[0, 1, 1, 0]])
    loan = borrow(given, tmp_path)
    with torch.no_grad():
        for weight in given.parameters():
            weight += 1
    give_back(loan, given, steps=3)

    again, function, source = (child(row, seed=9) for row in ([[0, 1, 1, 0]], [[0, 3, 1, 2]], [[0, 1, 0, 0]]))
    for one in (again, function, source):
        borrow(one, tmp_path)
    for one in (again, function):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), given.parameters(), strict=True))
    nodes, before = source.cells[0].node_weight_nhg, given.cells[0].node_weight_nhg
    assert torch.equal(nodes[0], before[0])
    assert nodes[1].abs().max() <= 0.04
    assert torch.equal(source.embedding_vh, given.embedding_vh)
    assert {path.name for path in tmp_path.iterdir()} >= {"layer-001.node-2.of-1", "layer-001.node-0", "embedding"}


SHARED = """
import sys
from pathlib import Path
import torch
from enas_trainer.recurrent.child import Child
from enas_trainer.recurrent.train import TextTraining
from enas_trainer.arguments.recurrent import parse
from trial_runtime.processes import processes
from trial_runtime import seeds
from trial_runtime.text import corpora

torch.set_num_threads(1)
trial = parse(sys.argv[2:])
group = processes.here()
with group.joined(torch.device("cpu")):
    corpus = corpora.load("grammar:900", None, seed=0, max_vocabulary=20)
    child = Child(trial.network, 4, seeds.generator(0, "weights")).double()
    settings, cpu = trial.settings, torch.device("cpu")
    training = TextTraining(child, corpus, settings, device=cpu, seed=1, processes=group)
    losses = [metrics.validation_loss for metrics in training]
    torch.save({"losses": losses, "state": child.state_dict()}, f"{sys.argv[1]}/{group.rank} of {group.size}.pt")
"""


def test_processes_share_each_step(torchrun, tmp_path):
    (tmp_path / "shared.py").write_text(SHARED)
    argv = [tmp_path, *flags(tmp_path / "out", "--dropout=.3", "--dropoute=.1")]
    assert with_torch.run(tmp_path / "shared.py", *argv, cwd=tmp_path).returncode == 0
    done = torchrun(2, tmp_path / "shared.py", *argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    alone, *both = (torch.load(tmp_path / f"{name}.pt") for name in ("0 of 1", "0 of 2", "1 of 2"))
    for one in both:
        assert one["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        torch.testing.assert_close(one["state"], alone["state"], rtol=1e-4, atol=1e-5)


def test_a_training_learns_more_than_how_often_words_stand():
    trial = parse(flags("unused", "--hidden-size=16", "--num_epochs=4", "--batch-size=4"))
    corpus = corpora.load("grammar:6000", None, seed=0, max_vocabulary=20)
    training = TextTraining(
        Child(trial.network, 16, generator(0, "w")), corpus, trial.settings, device=torch.device("cpu"), seed=0
    )
    assert [*training][-1].validation_perplexity < corpus.unigram_perplexity()


@pytest.mark.parametrize("name", list(nn_config()))
def test_what_is_missing_is_named(name):
    without = {key: value for key, value in nn_config().items() if key != name}
    with pytest.raises(InvalidNetwork, match=rf"nn_config\.{name}: None .* missing"):
        config.read("[[0, 1, 1, 0]]", assignment.encode(without))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"node_2_source": "2"}, r"choices\.node_2_source: '2' .* 0 or 1"),
        ({"node_1_activation": "swish"}, r"choices\.node_1_activation: 'swish' .* tanh or relu"),
        ({"node_4_source": "0"}, r"choices\.node_4_source: '0' .* nothing reads it"),
    ],
)
def test_what_is_no_choice_is_refused_by_name(changes, said):
    chosen = {
        "input_sizes": [20], "output_sizes": [20], "node_1_source": 0, "node_1_activation": "tanh",
        "node_2_source": 0, "node_2_activation": "tanh",
    }  # fmt: skip
    assert config.read(*choices.read(assignment.encode(chosen))).genotype.num_nodes == 2
    with pytest.raises(InvalidNetwork, match=said):
        choices.read(assignment.encode(chosen | changes))


@pytest.mark.parametrize("budget", ["Parameters<=10", "Parameters<=1e9, MACs<=10"])
def test_beyond_its_budget_a_model_is_not_trained(budget, tmp_path, capsys):
    assert main(flags(tmp_path, f'--budget="{budget}"')) == 0

    costs, untrained = metrics(capsys.readouterr().out)
    assert costs["Parameters"] > costs["MACs"] > 10
    assert untrained == dict.fromkeys(NAMES[:-1], 1e9)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_latency_of_a_word_is_measured_reported_and_bounded(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    assert main(flags(tmp_path, "--measure-latency", "--budget=Latency-ms<=1000")) == 0
    costs, *epochs = metrics(capsys.readouterr().out)
    assert 0 < costs["Latency-ms"] < 1000
    assert list(epochs[0]) == NAMES
    record = json.loads((tmp_path / "architecture.json").read_text())
    assert record["latency_ms"] == pytest.approx(costs["Latency-ms"], rel=1e-5)

    assert main(flags(tmp_path, "--fresh", "--measure-latency", "--budget=Latency-ms<=1e-6")) == 0
    costs, untrained = metrics(capsys.readouterr().out)
    assert costs["Latency-ms"] > 1e-6
    assert untrained == dict.fromkeys(NAMES[:-1], 1e9)
