"""The training of a found recurrent cell, from the command line to the files, and what reads them."""

import json
import math
import os
import re
from dataclasses import replace

import pytest
import torch

from cell_networks.recurrent import language_model
from darts_genotype.recurrent import RecurrentGenotype
from darts_trainer import predictor, retrain, text_predictor
from darts_trainer.export import TOLERANCE, export, largest_difference
from darts_trainer.predictor import SavedNetworkError
from darts_trainer.retraining.text_config import TextTrainingSettings
from darts_trainer.retraining.text_training import MAX_RETURNS, TextTraining
from trial_runtime.costs.network_cost import num_parameters
from trial_runtime.errors import TrainingDiverged
from trial_runtime.text import corpora, grammar
from trial_runtime.text.corpora import Corpus
from trial_runtime.text.vocabulary import Vocabulary

GENOTYPE = "Genotype(recurrent=[('tanh',0),('relu',1)],concat=range(1,3))"
CELL = RecurrentGenotype.of(("tanh", 0), ("relu", 1))
FLAGS = (
    "--num-epochs=2", "--batch-size=8", "--bptt=8", "--hidden-size=12", "--learning-rate=5", "--dropout=0.1",
    "--dropoutx=0.1", "--device=cpu",
)  # fmt: skip
SETTINGS = TextTrainingSettings(
    num_epochs=3, batch_size=8, bptt=8, learning_rate=5, dropout=0.1, dropoutx=0.1, dropouti=0, dropoute=0.1
)


@pytest.fixture(autouse=True)
def no_data_from_the_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("KATIB_NAS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def train(tmp_path, capsys):
    def run(*others, genotype=GENOTYPE, dataset="grammar:1500", out="out"):
        data = ["--dataset", dataset] if dataset else []
        code = retrain.main(["--genotype", genotype, *FLAGS, *data, "--output-dir", str(tmp_path / out), *others])
        return code, *capsys.readouterr()

    return run


def metrics(out):
    return [dict(re.findall(r"([\w|-]+)=([^ ]+)", line)) for line in out.splitlines()]


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("grammar:1500", None, seed=0)


@pytest.fixture
def training(corpus):
    def make(settings=SETTINGS, *, seed=0, num_layers=1, after_step=None):
        model = language_model(
            CELL, len(corpus.vocabulary), 12, num_layers=num_layers, generator=torch.Generator().manual_seed(0)
        )
        return TextTraining(model, corpus, settings, device=torch.device("cpu"), seed=seed, after_step=after_step)

    return make


def copied(state):
    if isinstance(state, dict):
        return {name: copied(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(map(copied, state))
    return state.clone() if isinstance(state, torch.Tensor) else state


def test_metric_lines_and_what_is_left(train, tmp_path):
    code, out, err = train("--seed=1")
    assert code == 0, err
    first, *epochs, last = metrics(out)
    assert set(first) == {"Parameters", "MACs", "Unigram-Perplexity"}
    assert [list(epoch) for epoch in epochs] == [
        ["Train-Loss", "Train-Perplexity", "Validation-Loss", "Validation-Perplexity"]
    ] * 2
    assert set(last) == {"Test-Loss", "Test-Perplexity"}
    loaded = text_predictor.load(tmp_path / "out")
    assert int(first["Parameters"]) == sum(weight.numel() for weight in loaded.model.parameters())
    record = json.loads((tmp_path / "out/network.json").read_text())
    assert record["metrics"]["Test-Perplexity"] == pytest.approx(float(last["Test-Perplexity"]), rel=1e-5)
    assert record["genotype"] == GENOTYPE
    _, again, _ = train("--seed=1", out="again")
    assert metrics(again) == metrics(out)


def test_what_is_saved_is_what_validated_best_and_reads_the_test_part_alike(train, tmp_path, corpus):
    _, out, _ = train("--seed=1", "--num-epochs=4", "--learning-rate=25")
    loaded = text_predictor.load(tmp_path / "out")
    evaluated = TextTraining(loaded.model, corpus, SETTINGS, device=torch.device("cpu"), seed=0)
    losses = [float(epoch["Validation-Loss"]) for epoch in metrics(out)[1:-1]]
    found = evaluated.evaluate(evaluated.to_evaluate(corpus.valid_n, "validation"), "validation")
    assert found.loss == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (["--dataset", ""], "--dataset: a recurrent cell needs a text|'' is not allowed"),
        (["--genotype", "Genotype(recurrent=[('tanh',1)],concat=[1])"], "recurrent, node 1: 1"),
        (["--dropout", "1"], "--dropout.*< 1"),
        (["--cutout", "16"], "--cutout"),
        (["--batch-size", "1000"], "batch_size: 1000.*training part has 1500 words"),
        (["--dataset", "text:/no/such/place"], "must be a folder"),
    ],
)
def test_what_makes_no_sense_is_one_line(train, others, message):
    code, out, err = train(*others)
    assert (code, out) == (2, "")
    assert re.search(f"^error: .*({message})", err.splitlines()[-1]), err


def test_a_missing_test_part_is_missed_before_the_training(train, tmp_path):
    for part in ("train", "valid"):
        (tmp_path / f"{part}.txt").write_text("a b c d\n" * 40)
    code, out, err = train(dataset=f"text:{tmp_path}")
    assert (code, out) == (2, "")
    assert "the test part" in err


def test_it_goes_on_to_the_bit_wherever_it_was_left(training):
    states = []
    settings = replace(SETTINGS, learning_rate=60, patience=1)
    whole = training(settings, after_step=lambda found: states.append(copied(found.state_dict())))
    expected = list(whole)
    for place in (0, len(states) // 2, len(states) - 1):
        again = training(settings, seed=9)
        again.load_state_dict(states[place])
        rest = list(again)
        assert rest == expected[-len(rest) :]
        for found, wanted in zip(again._model.parameters(), whole._model.parameters(), strict=True):
            assert torch.equal(found, wanted)


def test_a_step_is_sgd_in_proportion_to_its_words(training):
    settings = replace(SETTINGS, grad_clip=0.1)
    found = training(settings)
    window = next(iter(found._batches))
    short = window._replace(words_tb=window.words_tb[:4], next_tb=window.next_tb[:4])
    before = [weight.detach().clone() for weight in found._weights]
    generator = found._masks.get_state()
    found._take_step(short)
    moves = [weight.detach() - old for weight, old in zip(found._weights, before, strict=True)]
    length = torch.stack([move.square().sum() for move in moves]).sum().sqrt()
    # Clipped to 0.1, and half of the words.
    assert length == pytest.approx(5 * 0.5 * 0.1, rel=1e-2)
    again = training(settings)
    again._masks.set_state(generator)
    again._take_step(short)
    assert all(map(torch.equal, found._weights, again._weights))


def test_from_the_trigger_on_the_mean_of_the_weights_is_evaluated(training):
    found = training()
    found._losses = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    found._begin_averaging(2.9)
    assert not found._average.is_begun, "three is the best of all but the last five"
    found._losses.append(2.9)
    found._begin_averaging(1.5)
    assert found._average.is_begun, "one was better"
    seen = []
    for window in found._batches:
        found._take_step(window)
        seen.append([weight.detach().clone() for weight in found._weights])
        if len(seen) == 5:
            break
    with found._average.held():
        for place, average in enumerate(found._model.parameters()):
            expected = torch.stack([weights[place] for weights in seen]).mean(dim=0)
            torch.testing.assert_close(average.detach(), expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(found._weights[0], seen[-1][0])


def test_a_gradient_that_is_no_number_leads_back_to_the_best_weights_and_on(training, monkeypatch):
    found = training()
    next(iter(found))
    best = [weight.clone() for weight in found._best]
    with torch.no_grad():
        found._model.embedding_vh[3, 0] = math.nan
    epochs = list(found)
    assert len(epochs) == 2
    assert all(math.isfinite(epoch.training.loss) and math.isfinite(epoch.validation.loss) for epoch in epochs)
    assert not all(map(torch.equal, found._weights, best)), "it has learnt since"


def test_a_training_that_comes_back_too_often_says_what_may_help(training, monkeypatch):
    found = training()
    monkeypatch.setattr(
        "darts_trainer.retraining.text_training.cross_entropy", lambda read, _: read.logits_tbv.sum() * math.nan
    )
    with pytest.raises(TrainingDiverged, match=rf"{MAX_RETURNS + 1}th time; smaller values of --learning-rate \(5\)"):
        list(found)


def test_layers_learn_the_language(training):
    settings = TextTrainingSettings(
        num_epochs=6, batch_size=4, bptt=8, learning_rate=10, dropout=0, dropoutx=0, dropouti=0, dropoute=0, dropouth=0
    )
    found = training(settings, num_layers=2)
    *_, last = found
    assert math.exp(grammar.entropy_per_token()) < last.validation.perplexity < 80


def test_the_published_cell_of_the_published_size_learns():
    """23 million parameters; a few short steps on words that repeat."""
    published = RecurrentGenotype.from_arc((0, 2, 1, 1, 1, 1, 1, 3, 2, 0, 5, 2, 3, 0, 5, 1))
    model = language_model(published, 10_000, 850, generator=torch.Generator().manual_seed(0))
    assert num_parameters(model) == 22_960_000
    vocabulary = Vocabulary((*map(str, range(9_998)), "<eos>", "<unk>"))
    words_n = torch.arange(5).repeat(3)
    corpus = Corpus(name="fives", vocabulary=vocabulary, train_n=words_n, valid_n=words_n, seed=0)
    settings = TextTrainingSettings(num_epochs=2, batch_size=2, bptt=4)
    first, last = TextTraining(model, corpus, settings, device=torch.device("cpu"), seed=0)
    # At a rate of 20 such short passes jump about; still they are far from guessing.
    assert max(first.validation.loss, last.validation.loss) < math.log(10_000) / 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    assert (
        retrain.main(
            [
                "--genotype",
                GENOTYPE,
                *FLAGS,
                "--num-layers=2",
                "--dataset=grammar:1500",
                "--seed=1",
                "--output-dir",
                str(folder),
            ]
        )
        == 0
    )
    return folder


def test_the_probabilities_of_what_follows(saved):
    loaded = text_predictor.load(saved)
    after = loaded.probabilities("a-subject0 a-verb0")
    assert list(after) == list(loaded.vocabulary.words)
    assert sum(after.values()) == pytest.approx(1)
    assert after != loaded.probabilities("")
    assert loaded.probabilities("a-subject0 no-such-word") == loaded.probabilities("a-subject0 <unk>")


def test_the_perplexity_is_that_of_the_probabilities(saved):
    loaded = text_predictor.load(saved)
    text = "a-subject0 a-verb0\nb-subject1"
    words = ["a-subject0", "a-verb0", "<eos>", "b-subject1"]
    logs = [math.log(loaded.probabilities(" ".join(words[:place]))[word]) for place, word in enumerate(words)]
    assert loaded.perplexity(text) == pytest.approx(math.exp(-sum(logs) / 4), rel=1e-5)
    assert loaded.perplexity(text + "\n") != pytest.approx(loaded.perplexity(text))
    with pytest.raises(ValueError, match="must have a word"):
        loaded.perplexity("")


def test_a_continuation_is_drawn_by_the_generator_and_is_all_words(saved):
    loaded = text_predictor.load(saved)

    def draw(seed, **options):
        return loaded.sample("a-subject0", 30, generator=torch.Generator().manual_seed(seed), **options)

    assert draw(0) == draw(0) != draw(1)
    assert len(draw(0)) == 30
    assert "<unk>" not in draw(0)
    cold = loaded.sample("a-subject0", 1, generator=torch.Generator(), temperature=1e-6)
    after = {word: share for word, share in loaded.probabilities("a-subject0").items() if word != "<unk>"}
    assert cold == [max(after, key=after.get)]
    with pytest.raises(ValueError, match="temperature"):
        draw(0, temperature=0)


@pytest.mark.filterwarnings("ignore")
def test_an_exported_graph_steps_as_the_model_does(saved):
    loaded = text_predictor.load(saved)
    assert largest_difference(loaded, export(loaded)) < TOLERANCE


def test_files_that_are_none_are_told_of(saved, tmp_path):
    with pytest.raises(SavedNetworkError, match="is missing"):
        text_predictor.load(tmp_path)
    with pytest.raises(SavedNetworkError, match="text_predictor loads those"):
        predictor.load(saved)
    described = json.loads((saved / "network.json").read_text())
    for change, message in [
        ({"language_model": {}}, "format"),
        ({"language_model": described["language_model"] | {"vocabulary": ["a"]}}, "describes no language model"),
        ({"language_model": described["language_model"] | {"hidden_size": 5}}, "does not hold the weights"),
        ({"recurrent": []}, "describes no language model"),
    ]:
        (tmp_path / "network.json").write_text(json.dumps(described | change))
        (tmp_path / "weights.safetensors").write_bytes((saved / "weights.safetensors").read_bytes())
        with pytest.raises(SavedNetworkError, match=message):
            text_predictor.load(tmp_path)
    (tmp_path / "network.json").write_text(json.dumps(described))
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(SavedNetworkError, match="damaged"):
        text_predictor.load(tmp_path)
