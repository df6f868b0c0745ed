import pytest
import torch

from trial_runtime.text.vocabulary import Vocabulary, lines_of, words_of

TEXT = words_of(["the cat saw the dog", "the dog ran"])


def test_words_are_numbered_by_their_first_appearance():
    vocabulary = Vocabulary.of(TEXT)
    assert vocabulary.words == ("the", "cat", "saw", "dog", "<eos>", "ran", "<unk>")
    assert vocabulary.encode(["ran", "the"]).tolist() == [5, 0]


def test_a_line_ends_with_its_own_word_and_an_empty_one_is_nothing_else():
    assert words_of(["a b", "", " c  d "]) == ["a", "b", "<eos>", "<eos>", "c", "d", "<eos>"]


def test_the_most_frequent_words_stay_the_earlier_of_equals_and_the_special_ones_count():
    vocabulary = Vocabulary.of(TEXT, max_size=5)
    assert vocabulary.words == ("the", "cat", "dog", "<eos>", "<unk>")


@pytest.mark.parametrize("size", [3, 4, 6, 7])
def test_a_vocabulary_has_the_size_that_was_asked_for(size):
    assert len(Vocabulary.of(TEXT, max_size=size)) == size


def test_a_text_with_unknown_words_of_its_own_gets_no_second_kind():
    text = words_of(["a <unk> a b"])
    assert Vocabulary.of(text).words == ("a", "<unk>", "b", "<eos>")
    assert Vocabulary.of(text, max_size=3).words == ("a", "<unk>", "<eos>")


def test_unknown_words_are_told_as_such():
    vocabulary = Vocabulary.of(TEXT)
    assert vocabulary.decode(vocabulary.encode(["the", "zebra"]).tolist()) == ["the", "<unk>"]


def test_numbers_become_text_again():
    vocabulary = Vocabulary.of(TEXT)
    numbers = vocabulary.encode(TEXT)
    assert numbers.dtype == torch.int64
    assert lines_of(vocabulary.decode(numbers.tolist())) == "the cat saw the dog\nthe dog ran\n"


@pytest.mark.parametrize("words", [("a", "a", "<eos>", "<unk>"), ("a", "<eos>")])
def test_words_that_are_no_vocabulary_are_refused(words):
    with pytest.raises(ValueError, match="different words"):
        Vocabulary(words)
