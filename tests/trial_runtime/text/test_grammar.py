import math
import re

import pytest
import torch

from trial_runtime.text import grammar


def text(num_tokens, seed=0):
    return grammar.write(num_tokens, torch.Generator().manual_seed(seed))


def test_the_entropy_is_what_a_long_text_takes_to_write_down():
    words = text(60_000)
    measured = -grammar.log_probability(words) / len(words)
    # Independent sentences of some nats each: the mean of 7,500 of them is that close.
    assert measured == pytest.approx(grammar.entropy_per_token(), abs=0.02)


def test_probabilities_of_all_sentences_without_modifiers_add_up():
    total = 0.0
    for group, letter in enumerate("abcd"):
        for subject in grammar.SUBJECTS[group].words:
            for verb in grammar.VERBS[group].words:
                for noun in grammar.OBJECTS.words:
                    total += math.exp(grammar.log_probability([subject, verb, noun, f"{letter}-echo", "<eos>"]))
    assert total == pytest.approx(0.4**2)


def test_what_agrees_agrees_at_a_distance():
    groups = set()
    distances = set()
    for line in " ".join(text(3_000)).split("<eos>")[:-1]:
        words = line.split()
        found = {word[0] for word in words if re.match("[abcd]-", word)}
        assert len(found) == 1
        groups |= found
        distances.add(len(words) - 1)
    assert groups == set("abcd")
    assert max(distances) >= 8


@pytest.mark.parametrize(
    "words", [["modifier1"], ["a-subject1", "b-verb1"], ["a-subject1", "a-verb0", "object0", "b-echo"]]
)
def test_what_is_none_of_the_language_is_refused(words):
    with pytest.raises(ValueError, match=r"is not allowed: .* is due"):
        grammar.log_probability(words)


def test_a_seed_gives_one_text_of_the_length():
    assert text(100) == text(100) != text(100, seed=1)
    assert len(text(101)) == 101
