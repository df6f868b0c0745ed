import math

import pytest
import torch

from trial_runtime.errors import DatasetError
from trial_runtime.text import corpora, grammar


@pytest.fixture
def folder(tmp_path):
    def write(**parts):
        for part, text in ({"train": "a b\nb c\n", "valid": "a z\n", "test": "c\n"} | parts).items():
            if text is not None:
                (tmp_path / f"{part}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        return f"text:{tmp_path}"

    return write


def test_a_folder_of_ones_own(folder):
    corpus = corpora.load(folder(), None, seed=0)
    assert corpus.vocabulary.decode(corpus.train_n.tolist()) == ["a", "b", "<eos>", "b", "c", "<eos>"]
    assert corpus.vocabulary.decode(corpus.valid_n.tolist()) == ["a", "<unk>", "<eos>"]
    assert corpus.vocabulary.decode(corpora.load_test(corpus, None).tolist()) == ["c", "<eos>"]


@pytest.mark.parametrize("names", ["ptb.{}.txt", "wiki.{}.tokens"])
def test_the_names_of_penn_treebank_and_wikitext(tmp_path, names):
    for part in ("train", "valid"):
        (tmp_path / names.format(part)).write_text(f" {part} it \n")
    corpus = corpora.load(f"text:{tmp_path}", None, seed=0)
    assert corpus.vocabulary.words == ("train", "it", "<eos>", "<unk>")
    assert len(corpus.valid_n) == 3


def test_a_relative_folder_is_looked_up_in_the_data_folder(folder, tmp_path):
    folder()
    assert len(corpora.load(f"text:{tmp_path.name}", tmp_path.parent, seed=0).train_n) == 6


def test_no_search_looks_at_the_test_part(folder):
    corpus = corpora.load(folder(test=None), None, seed=0)
    with pytest.raises(DatasetError, match=r"the test part, as test\.txt or ptb\.test\.txt or wiki\.test\.tokens"):
        corpora.load_test(corpus, None)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": None}, "the train part"),
        ({"valid": None}, "the valid part"),
        ({"valid": ""}, "holds no word"),
        ({"train": "\n \n"}, "holds no word"),
        ({"train": b"a b\xff c"}, "byte 3 is not"),
    ],
)
def test_parts_that_are_none_are_told_of(folder, parts, message):
    name = folder(**parts)
    with pytest.raises(DatasetError, match=message) as error:
        corpora.load(name, None, seed=0)
    assert name in str(error.value)


@pytest.mark.parametrize("name", ["text:", "text:/no/such/folder", "ptb", "grammar:", "grammar:x", "grammar:9", "fake"])
def test_names_that_are_none_are_told_of(name, tmp_path):
    with pytest.raises(DatasetError, match="dataset"):
        corpora.load(name, tmp_path, seed=0)


def test_a_line_ends_at_line_ends_alone(folder):
    corpus = corpora.load(folder(train="a\u2028b\r\nc\x85d"), None, seed=0)
    assert corpus.vocabulary.decode(corpus.train_n.tolist()) == ["a", "b", "<eos>", "c", "d", "<eos>"]


def test_python_docs_are_divided_by_the_seed_and_fill_a_vocabulary():
    corpus, again, other = (corpora.load("python-docs", None, seed=seed, max_vocabulary=2000) for seed in (1, 1, 2))
    assert torch.equal(corpus.train_n, again.train_n)
    assert not torch.equal(corpus.train_n[:1000], other.train_n[:1000])
    assert len(corpus.vocabulary) == len(other.vocabulary) == 2000
    num_words = [len(part) for part in (corpus.train_n, corpus.valid_n, corpora.load_test(corpus, None))]
    assert sum(num_words) > 60_000
    assert num_words[0] > 0.7 * sum(num_words)
    assert min(num_words) > 0.04 * sum(num_words)
    assert "python-docs" in corpora.versions("python-docs")


def test_grammar_has_its_length_and_is_drawn_by_the_seed():
    corpus = corpora.load("grammar:500", None, seed=1)
    assert (len(corpus.train_n), len(corpus.valid_n), len(corpora.load_test(corpus, None))) == (500, 50, 50)
    assert not torch.equal(corpus.train_n[:40], corpora.load("grammar:500", None, seed=2).train_n[:40])


def test_the_unigram_model_is_worse_than_the_language_allows_and_better_than_none():
    corpus = corpora.load("grammar:20000", None, seed=0)
    assert math.exp(grammar.entropy_per_token()) < corpus.unigram_perplexity() < len(corpus.vocabulary)


def test_the_unigram_perplexity_by_hand(folder):
    corpus = corpora.load(folder(train="a a b\n", valid="a z\n"), None, seed=0)
    # Counts, one too high: a 3, b 2, <eos> 2, <unk> 1.
    expected = (3 / 8 * 1 / 8 * 2 / 8) ** (-1 / 3)
    assert corpus.unigram_perplexity() == pytest.approx(expected)
