"""A made-up language whose entropy is known: what the best of all models comes to on it can be computed.

A sentence is ``subject modifier* verb object modifier* echo``. The verb agrees with the subject's class and the echo,
the last word, is decided by it, with any number of modifiers and an object between: who has forgotten the subject pays
for it. Which word stands where says all that decides the next word, so the entropy of a sentence is the sum of the
entropies of its choices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from trial_runtime.text.vocabulary import END_OF_LINE, words_of

NAME = "grammar"
"""Of the data set."""

_CLASSES = "abcd"
"""Of subjects, each the first letter of its words. To a model, which sees numbers, nothing but agreement shows them."""

_SUBJECTS_PER_CLASS = 10
_VERBS_PER_CLASS = 8
_NUM_OBJECTS = 30
_NUM_MODIFIERS = 20

_MODIFIER_PROBABILITY = 0.6
"""That one more modifier follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Words to choose from; the first is likeliest, as 1/1, 1/2, 1/3 … are (Zipf's law)."""

    words: tuple[str, ...]

    @property
    def probabilities(self) -> list[float]:
        """Of the words, in their order."""
        weights = [1 / rank for rank in range(1, len(self.words) + 1)]
        return [weight / sum(weights) for weight in weights]

    @property
    def entropy(self) -> float:
        """In nats."""
        return _entropy(self.probabilities)


def _choices(kind: str, count: int) -> Choice:
    return Choice(words=tuple(f"{kind}{index}" for index in range(count)))


SUBJECTS = [_choices(f"{group}-subject", _SUBJECTS_PER_CLASS) for group in _CLASSES]
VERBS = [_choices(f"{group}-verb", _VERBS_PER_CLASS) for group in _CLASSES]
OBJECTS = _choices("object", _NUM_OBJECTS)
MODIFIERS = _choices("modifier", _NUM_MODIFIERS)
ECHOES = tuple(f"{group}-echo" for group in _CLASSES)


def entropy_per_token() -> float:
    """Return the entropy of the language in nats a token, line ends included; its exponential is the best perplexity.

    The ratio of a sentence's entropy to its length, both on average: sentences are independent of each other.
    """
    # So many modifiers follow a subject or an object on average; each asks whether, and which; the last is no.
    modifiers = _MODIFIER_PROBABILITY / (1 - _MODIFIER_PROBABILITY)
    whether = _entropy([_MODIFIER_PROBABILITY, 1 - _MODIFIER_PROBABILITY])
    chain = modifiers * MODIFIERS.entropy + (modifiers + 1) * whether
    sentence = math.log(len(_CLASSES)) + SUBJECTS[0].entropy + chain + VERBS[0].entropy + OBJECTS.entropy + chain
    return sentence / (5 + 2 * modifiers)


def write(num_tokens: int, generator: torch.Generator) -> list[str]:
    """Write a text of so many words and line ends; the last sentence is cut off there."""
    sentences: list[str] = []
    while len(sentences) < num_tokens:
        sentences += words_of([" ".join(_sentence(generator))])
    return list(islice(sentences, num_tokens))


def log_probability(text: Sequence[str]) -> float:
    """Return the logarithm of a text's probability; a sentence that is cut off counts as far as it goes.

    Raises:
        ValueError: the text is none of this language.
    """
    total, place, group = 0.0, "subject", 0
    for word in text:
        if place == "subject":
            group = max(0, _CLASSES.find(word[0]))
            total += math.log(1 / len(_CLASSES)) + _log(SUBJECTS[group], word)
            place = "verb"
        elif place in ("verb", "echo") and word in MODIFIERS.words:
            total += math.log(_MODIFIER_PROBABILITY) + _log(MODIFIERS, word)
        elif place == "verb":
            total += math.log(1 - _MODIFIER_PROBABILITY) + _log(VERBS[group], word)
            place = "object"
        elif place == "object":
            total += _log(OBJECTS, word)
            place = "echo"
        elif (place, word) == ("echo", ECHOES[group]):
            total += math.log(1 - _MODIFIER_PROBABILITY)
            place = "end"
        elif (place, word) == ("end", END_OF_LINE):
            place = "subject"
        else:
            raise ValueError(f"{word!r} is not allowed: the {place} of the sentence is due")
    return total


def _sentence(generator: torch.Generator) -> list[str]:
    group = int(torch.randint(len(_CLASSES), (), generator=generator))
    return [
        _draw(SUBJECTS[group], generator),
        *_modifiers(generator),
        _draw(VERBS[group], generator),
        _draw(OBJECTS, generator),
        *_modifiers(generator),
        ECHOES[group],
    ]


def _modifiers(generator: torch.Generator) -> list[str]:
    found = []
    while float(torch.rand((), generator=generator)) < _MODIFIER_PROBABILITY:
        found.append(_draw(MODIFIERS, generator))
    return found


def _draw(choice: Choice, generator: torch.Generator) -> str:
    return choice.words[int(torch.multinomial(torch.tensor(choice.probabilities), 1, generator=generator))]


def _log(choice: Choice, word: str) -> float:
    if word not in choice.words:
        raise ValueError(f"{word!r} is not allowed: one of {', '.join(choice.words)} is due")
    return math.log(choice.probabilities[choice.words.index(word)])


def _entropy(probabilities: Sequence[float]) -> float:
    return -sum(probability * math.log(probability) for probability in probabilities)
