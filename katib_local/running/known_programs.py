"""What is known of the programs that take the place of images: how they are started, and what they print."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import darts_trainer.metric_names as darts_metrics
import enas_trainer.metric_names as enas_metrics
from katib_local.manifest.experiment import Collector
from katib_local.record import collector
from trial_runtime.retraining import metric_names as training_metrics

_GENOTYPE = "Genotype(normal=[],normal_concat=range(2,3),reduce=[],reduce_concat=range(2,3))"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownProgram:
    """A program of ours."""

    package: str
    """The folder that it is started in."""
    started_by: re.Pattern[str]
    """Found in the command of a container that runs it and nothing else of the same folder."""
    metrics: tuple[str, ...]
    """Names of what it prints, each with a number."""
    texts: tuple[str, ...] = ()
    """Names of what it prints with a genotype."""

    @property
    def printed(self) -> tuple[str, ...]:
        """All names."""
        return (*self.metrics, *self.texts)

    def reports(self, metric: str, source: Collector) -> bool:
        """Tell whether a collector finds a metric in what the program prints."""
        numbers = " ".join(f"{name}=0.5" for name in self.metrics)
        texts = "".join(f"2026-01-01T00:00:00Z {name}={_GENOTYPE}\n" for name in self.texts)
        output = f"2026-01-01T00:00:00Z epoch 1: {numbers}\n{texts}".encode()
        return any(point.metric == metric for point in collector.collect(BytesIO(output), [metric], source))


ENAS = KnownProgram(
    package="enas_trainer",
    started_by=re.compile(r"(^|[\s/])RunTrial\.py(\s|$)|\s-m\s+enas_trainer(\s|$)"),
    metrics=(
        *dict.fromkeys([*enas_metrics.EPOCH, *enas_metrics.TEXT_EPOCH]),
        enas_metrics.UNIGRAM_PERPLEXITY,
        enas_metrics.PARAMETERS,
        enas_metrics.MACS,
        enas_metrics.LATENCY,
    ),
)

_OF_IMAGES = (
    *training_metrics.TRAINING,
    *training_metrics.VALIDATION,
    training_metrics.TEST_LOSS,
    training_metrics.TEST_ACCURACY,
    training_metrics.PARAMETERS,
    training_metrics.MACS,
    training_metrics.LATENCY,
)
"""What the training of a found network on images prints."""

_ENAS_TRAINING = KnownProgram(
    package="enas_trainer",
    started_by=re.compile(r"(^|[\s/])retrain\.py(\s|$)|\s-m\s+enas_trainer\.retrain(\s|$)"),
    metrics=_OF_IMAGES,
)

_DARTS_SEARCH = KnownProgram(
    package="darts_trainer",
    started_by=re.compile(r"(^|[\s/])run_trial\.py(\s|$)|\s-m\s+darts_trainer(\s|$)"),
    metrics=tuple(dict.fromkeys([*darts_metrics.SEARCH, *darts_metrics.TEXT_SEARCH, darts_metrics.UNIGRAM_PERPLEXITY])),
    texts=(darts_metrics.BEST_GENOTYPE,),
)

_DARTS_TRAINING = KnownProgram(
    package="darts_trainer",
    started_by=re.compile(r"(^|[\s/])retrain\.py(\s|$)|\s-m\s+darts_trainer\.retrain(\s|$)"),
    metrics=(
        *_OF_IMAGES,
        *(name for name in darts_metrics.TEXT_SEARCH if name.endswith("Perplexity")),
        darts_metrics.UNIGRAM_PERPLEXITY,
        darts_metrics.TEST_PERPLEXITY,
    ),
)

TRAININGS = (_ENAS_TRAINING, _DARTS_TRAINING)
"""Of what a search found."""

_PROGRAMS: Sequence[KnownProgram] = (ENAS, _ENAS_TRAINING, _DARTS_SEARCH, _DARTS_TRAINING)


def find(package: str | None, command: str) -> KnownProgram | None:
    """Return the program of ours that a command runs alone.

    Args:
        package: the folder that the command is started in; None for somebody else's.
        command: with its arguments, as the shell gets it.
    """
    # What stands behind a separator of the shell may print whatever it likes.
    if re.search(r"[;&|]\s*\S", command):
        return None
    found = [item for item in _PROGRAMS if item.package == package and item.started_by.search(command)]
    return found[0] if len(found) == 1 else None
