"""Which text a trial has, as its command line asks for it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trial_runtime import command_line, from_runner
from trial_runtime.command_line import CommandLineError
from trial_runtime.text import corpora
from trial_runtime.text.corpora import Corpus
from trial_runtime.text.vocabulary import MIN_SIZE


@dataclass(frozen=True, kw_only=True, slots=True)
class TextOptions:
    """What `add_arguments` asks for."""

    dataset: str
    """Name, as `corpora.load` knows it."""
    data_dir: Path | None
    """Folder of the data; None for the usual one."""
    max_vocabulary: int | None
    """Most words of the vocabulary; None for all."""

    def load(self, seed: int) -> Corpus:
        """Load the training and the validation part.

        Raises:
            DatasetError: see `corpora.load`.
        """
        return corpora.load(self.dataset, self.data_dir, seed=seed, max_vocabulary=self.max_vocabulary)

    def load_test(self, corpus: Corpus) -> Tensor:
        """Load the test part that belongs to a corpus.

        Raises:
            DatasetError: see `corpora.load_test`.
        """
        return corpora.load_test(corpus, self.data_dir)

    def record(self) -> dict[str, object]:
        """What is needed to have the same text again, as JSON; the folder of the data is the machine's affair."""
        return {"dataset": self.dataset, "max_vocabulary": self.max_vocabulary, **corpora.versions(self.dataset)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `TextOptions`, and those of every trial.

    In the namespace, besides what `of` reads: ``output_dir: Path``, ``seed: int | None``, ``device: torch.device``.
    """
    group = command_line.VariableArguments(parser, "data and machine")
    group.add("--dataset", str, None, f"the text: {corpora.KNOWN}")
    group.add("--data-dir", from_runner.place, None, "folder that a relative DIR is looked up in")
    group.add("--max-vocabulary", command_line.integer(MIN_SIZE), None, "know that many words, the most frequent")
    command_line.add_machine_arguments(group)


def of(arguments: argparse.Namespace) -> TextOptions:
    """Read what `add_arguments` added.

    Raises:
        CommandLineError: no text is named.
    """
    if arguments.dataset is None:
        raise CommandLineError(f"--dataset: a recurrent cell needs a text: {corpora.KNOWN}")
    return TextOptions(dataset=arguments.dataset, data_dir=arguments.data_dir, max_vocabulary=arguments.max_vocabulary)


def summary(corpus: Corpus) -> dict[str, str | int]:
    """Return what tells a text from others, for checkpoints."""
    words = torch.cat([corpus.train_n, corpus.valid_n]).to(torch.int64)
    # Any change of a word changes the sum of products with its place.
    places = torch.arange(1, len(words) + 1)
    return {
        "words": len(words),
        "vocabulary": len(corpus.vocabulary),
        "checksum": int((words * places % 1_000_003).sum()),
    }
