"""A trained language model with its vocabulary: as a module, and as the two files of a folder.

``weights.safetensors`` holds the weights, ``network.json`` what the model is built from: the genotype, its size and the
words it knows. Reading them runs no code.

Shape suffixes: t steps, b batch, h hidden units, l layers, v words of the vocabulary.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from cell_networks.language_model import LanguageModel, Step
from cell_networks.recurrent import language_model
from darts_genotype import json_form, katib_form
from darts_genotype.recurrent import RecurrentGenotype
from trial_runtime.reporting import artifacts
from trial_runtime.text.vocabulary import END_OF_LINE, UNKNOWN, Vocabulary, words_of
from trial_runtime.trained import files
from trial_runtime.trained.files import NETWORK_FILE, SavedNetworkError

FORMAT = 1
"""Of what `NETWORK_FILE` says beside the genotype; it changes when a reader of today would misread it."""


class TextPredictor(Step):
    """A language model that reads text as it is: blanks separate words, and `END_OF_LINE` stands for a line's end.

    Args:
        model: trained.
        vocabulary: that it was trained with.
    """

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary) -> None:
        super().__init__(model)
        self.vocabulary = vocabulary

    @torch.no_grad()
    def probabilities(self, text: str) -> dict[str, float]:
        """Return how likely each word of the vocabulary is to follow a text; an empty one begins a line.

        Words that the vocabulary lacks are read as `UNKNOWN`.
        """
        logits_v, _ = self._read(text.split())
        return dict(zip(self.vocabulary.words, logits_v.softmax(dim=0).tolist(), strict=True))

    @torch.no_grad()
    def perplexity(self, text: str) -> float:
        """Return the perplexity of a text, whose last line need not end; line ends count as words.

        Raises:
            ValueError: the text has no word.
        """
        words = words_of(text.removesuffix("\n").split("\n"))[: None if text.endswith("\n") else -1]
        if not words:
            raise ValueError("a text must have a word to have a perplexity")
        numbers_tb = self.vocabulary.encode([END_OF_LINE, *words])[:, None].to(self._device)
        read = self.model(numbers_tb[:-1], self.model.initial_state(1))
        loss = functional.cross_entropy(read.logits_tbv[:, 0], numbers_tb[1:, 0])
        return math.exp(min(float(loss), 700.0))

    @torch.no_grad()
    def sample(self, text: str, num_words: int, *, generator: torch.Generator, temperature: float = 1.0) -> list[str]:
        """Draw words that follow a text, line ends among them, none of them `UNKNOWN`.

        Args:
            text: what comes before; an empty one begins a line.
            num_words: to draw.
            generator: on the CPU.
            temperature: > 0; below 1 likely words become likelier.

        Raises:
            ValueError: a number is out of its bounds, or the vocabulary has no word to draw.
        """
        if not (temperature > 0 and math.isfinite(temperature)) or num_words < 0:
            raise ValueError(f"temperature {temperature} must be above 0, and num_words {num_words} not below")
        unknown = self.vocabulary.words.index(UNKNOWN)
        logits_v, state_lbh = self._read(text.split())
        found = []
        for _ in range(num_words):
            logits_v[unknown] = -math.inf
            probability_v = (logits_v.double().cpu() / temperature).softmax(dim=0)
            word_b = torch.multinomial(probability_v, 1, generator=generator)
            found += word_b.tolist()
            logits_bv, state_lbh = self(word_b.to(self._device), state_lbh)
            logits_v = logits_bv[0]
        return self.vocabulary.decode(found)

    @property
    def _device(self) -> torch.device:
        return self.model.embedding_vh.device

    def _read(self, words: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the logits of the next word, (V,), and the state after words that begin a line."""
        numbers_tb = self.vocabulary.encode([END_OF_LINE, *words])[:, None].to(self._device)
        read = self.model(numbers_tb, self.model.initial_state(1))
        return read.logits_tbv[-1, 0], read.state_lbh


def save(folder: Path, predictor: TextPredictor, found: RecurrentGenotype, record: Mapping[str, object]) -> None:
    """Write both files; those that were there are replaced.

    Args:
        folder: where.
        predictor: to be saved.
        found: the genotype that its model is built from.
        record: more about it for a reader, as JSON.

    Raises:
        OSError: the machine refuses.
    """
    files.write_weights(folder, predictor.model.state_dict())
    description = {
        **json_form.document(found),
        "genotype": katib_form.write(found),
        "language_model": {
            "format": FORMAT,
            "hidden_size": predictor.model.hidden_size,
            "num_layers": predictor.model.num_layers,
            "vocabulary": list(predictor.vocabulary.words),
        },
    }
    artifacts.write_json(folder / NETWORK_FILE, description | dict(record))


def is_text(folder: Path) -> bool:
    """Whether a folder's network is a language model, if it holds any."""
    try:
        return "language_model" in json.loads((folder / NETWORK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def load(folder: Path, device: torch.device | None = None) -> TextPredictor:
    """Read what `save` wrote.

    Args:
        folder: that holds both files.
        device: where it shall compute; None for the CPU.

    Raises:
        SavedNetworkError: a file is missing or damaged, or they do not belong together.
        OSError: the machine refuses.
    """
    text = files.read_text(folder)
    try:
        found = json_form.read(text)
        if not isinstance(found, RecurrentGenotype):
            raise ValueError("it is a network of pictures: darts_trainer.predictor loads those")
        description = files.part_of(text, "language_model", FORMAT)
        vocabulary = Vocabulary(tuple(map(str, description["vocabulary"])))
        model = language_model(
            found,
            len(vocabulary),
            int(description["hidden_size"]),
            num_layers=int(description["num_layers"]),
            generator=torch.Generator(),
        )
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise SavedNetworkError(f"{folder / NETWORK_FILE} describes no language model: {error}") from error
    files.read_weights(folder, model)
    return TextPredictor(model, vocabulary).eval().to(device or torch.device("cpu"))
