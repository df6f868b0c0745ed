"""What a search leaves in its output folder for those who watch: ``genotype.json``, tables, TensorBoard events.

``genotype.json`` and ``epochs.csv`` are written anew after each epoch, from all epochs so far, and ``alphas.csv`` from
what it holds of earlier epochs, so that nothing stands there twice however often a search was killed. Events can only
be appended: those of epochs that are searched again are marked as void.
"""

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from darts_genotype import forms, json_form
from katib_suggestion.files import durable_files
from trial_runtime.reporting import artifacts, metric_lines
from trial_runtime.reporting.events import Events

LAST = "last"
BEST_VALIDATION = "best-validation"
CHOICES = (LAST, BEST_VALIDATION)
"""Of which epoch the genotype is the result: the last, as in the paper, or the first that validated best."""

logger = logging.getLogger(__name__)


class Epoch(Protocol):
    """An epoch of a search: a dataclass, whose fields are the columns of ``epochs.csv``."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def epoch(self) -> int:
        """Counted from 1."""

    @property
    def time(self) -> str:
        """At its end; RFC 3339, UTC."""

    @property
    def genotype(self) -> str:
        """In Katib's form, if the search ended here."""

    @property
    def validation_score(self) -> float:
        """How good the supernet is on what its weights do not learn from; more is better."""

    def metrics(self) -> Mapping[str, float | str]:
        """The metrics by the names that Katib's manifests ask for."""

    def curves(self) -> Mapping[str, float]:
        """The numbers by the names of their curves."""


AnyEpoch = TypeVar("AnyEpoch", bound=Epoch)


class EdgeWeight(NamedTuple):
    """How much an operation counts on an edge; its fields are columns of ``alphas.csv``."""

    cell: str
    """The kind of cell."""
    source: int
    node: int
    """That the edge leads to."""
    operation: str
    weight: float
    """In the mixture."""


def report(epoch: Epoch) -> None:
    """Print an epoch's line of metrics."""
    metric_lines.report(epoch.metrics(), epoch=epoch.epoch, time=epoch.time)


def chosen(epochs: Sequence[AnyEpoch], choice: str) -> AnyEpoch:
    """Return the epoch whose genotype is the result so far; see `CHOICES`."""
    if choice == LAST:
        return epochs[-1]
    assert choice == BEST_VALIDATION, choice
    return max(epochs, key=lambda epoch: epoch.validation_score)  # the first of equals


def write(folder: Path, epochs: Sequence[Epoch], *, choice: str, search: Mapping[str, object]) -> None:
    """Write ``genotype.json`` and ``epochs.csv``; a machine that refuses is warned of, for the search can go on.

    Args:
        folder: the output folder.
        epochs: all so far, at least one.
        choice: see `CHOICES`.
        search: what else ``genotype.json`` says of the search.
    """
    best = chosen(epochs, choice)
    record = {
        **json_form.document(forms.read(best.genotype)),
        "genotype": best.genotype,
        "chosen": choice,
        "epoch": best.epoch,
        "metrics": best.metrics(),
        "epochs": [{"epoch": epoch.epoch, **epoch.metrics(), "genotype": epoch.genotype} for epoch in epochs],
        **search,
    }
    try:
        artifacts.write_json(folder / "genotype.json", record)
        durable_files.write(folder / "epochs.csv", _csv(epochs).encode())
    except OSError as error:
        logger.warning("the files in %s cannot be brought up to date: %s", folder, error)


def write_alphas(folder: Path, epoch: int, weights: Iterable[EdgeWeight]) -> None:
    """Add an epoch to ``alphas.csv``, in the place of it and of later ones; a machine that refuses is warned of."""
    path = folder / "alphas.csv"
    rows = [f"{epoch},{','.join(map(str, names))},{weight:.6g}\n" for *names, weight in weights]
    try:
        before = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:] if path.exists() else []
        kept = [row for row in before if int(row.partition(",")[0]) < epoch]
        header = ",".join(["epoch", *EdgeWeight._fields])
        durable_files.write(path, "".join([f"{header}\n", *kept, *rows]).encode())
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be brought up to date: %s", path, error)


def write_events(events: Events, epoch: Epoch, weights: Iterable[EdgeWeight]) -> None:
    """Append an epoch's curves: its numbers, and the weight of each operation on each edge."""
    numbers = dict(epoch.curves())
    for cell, source, node, operation, weight in weights:
        numbers[f"{cell} edge {source} to {node}/{operation}"] = weight
    events.write(epoch.epoch, numbers)


def _csv(epochs: Sequence[Epoch]) -> str:
    text = io.StringIO()
    writer: Any = csv.DictWriter(text, [field.name for field in fields(epochs[0])], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, epochs))
    return text.getvalue()
