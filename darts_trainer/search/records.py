"""What a search leaves in its output folder for those who watch: ``genotype.json``, tables, TensorBoard events.

``genotype.json`` and ``epochs.csv`` are written anew after each epoch, from all epochs so far, and ``alphas.csv`` from
what it holds of earlier epochs, so that nothing stands there twice however often a search was killed. Events can only
be appended: those of epochs that are searched again are marked as void.
"""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from darts_genotype import forms, json_form, katib_form
from darts_genotype.genotype import Genotype, num_skips
from darts_trainer import metric_names
from darts_trainer.search.loop import EpochMetrics
from darts_trainer.supernet.supernet import Supernet
from trial_runtime import artifacts, metric_lines
from trial_runtime.events import Events

LAST = "last"
BEST_VALIDATION = "best-validation"
CHOICES = (LAST, BEST_VALIDATION)
"""Of which epoch the genotype is the result: the last, as in the paper, or the first of best validation accuracy."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """An epoch of a search; its fields are the columns of ``epochs.csv``. For the first five see `EpochMetrics`."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    """Of the weights."""
    normal_entropy: float
    """Mean over the edges of the entropy of the softmax of their alphas, in nats: 0 when all is decided."""
    reduction_entropy: float | None
    """None where there are no reduction cells."""
    normal_skips: int
    """Edges of the genotype's cell that are skip connections."""
    reduction_skips: int
    seconds: float
    images_per_second: float
    time: str
    """At the end of the epoch; RFC 3339, UTC."""
    genotype: str
    """In Katib's form, if the search ended here."""

    @classmethod
    def of(cls, metrics: EpochMetrics, supernet: Supernet, found: Genotype) -> "Epoch":
        """Describe the epoch that has just ended."""
        reduce_eo = supernet.alpha_reduce_eo
        return cls(
            **{field.name: getattr(metrics, field.name) for field in fields(metrics)},
            normal_entropy=_entropy(supernet.alpha_normal_eo),
            reduction_entropy=None if reduce_eo is None else _entropy(reduce_eo),
            normal_skips=num_skips(found.normal),
            reduction_skips=num_skips(found.reduce),
            time=metric_lines.now(),
            genotype=katib_form.write(found),
        )

    def metrics(self) -> dict[str, float | str]:
        """The metrics by the names that Katib's manifests ask for."""
        return {name: getattr(self, field) for name, field in metric_names.SEARCH.items()}

    def report(self) -> None:
        """Print the line of metrics."""
        metric_lines.report(self.metrics(), epoch=self.epoch, time=self.time)


def chosen(epochs: Sequence[Epoch], choice: str) -> Epoch:
    """Return the epoch whose genotype is the result so far; see `CHOICES`."""
    if choice == LAST:
        return epochs[-1]
    assert choice == BEST_VALIDATION, choice
    return max(epochs, key=lambda epoch: epoch.validation_accuracy)  # the first of equals


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
        artifacts.write_bytes(folder / "epochs.csv", _csv(epochs).encode())
    except OSError as error:
        logger.warning("the files in %s cannot be brought up to date: %s", folder, error)


def write_alphas(folder: Path, epoch: int, supernet: Supernet) -> None:
    """Add an epoch to ``alphas.csv``, in the place of it and of later ones; a machine that refuses is warned of.

    A row has the epoch, the kind of cell, the edge's source and node, the operation and its weight in the mixture.
    """
    path = folder / "alphas.csv"
    rows = [
        f"{epoch},{kind},{source},{node},{primitive},{weight:.6g}\n"
        for kind, source, node, primitive, weight in _weights(supernet)
    ]
    try:
        before = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:] if path.exists() else []
        kept = [row for row in before if int(row.partition(",")[0]) < epoch]
        artifacts.write_bytes(path, "".join(["epoch,cell,source,node,operation,weight\n", *kept, *rows]).encode())
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be brought up to date: %s", path, error)


def write_events(events: Events, epoch: Epoch, supernet: Supernet) -> None:
    """Append an epoch's curves: its numbers, and the weight of each operation on each edge."""
    numbers: dict[str, float] = {
        "loss/train": epoch.train_loss,
        "loss/validation": epoch.validation_loss,
        "accuracy/train": epoch.train_accuracy,
        "accuracy/validation": epoch.validation_accuracy,
        "search/learning rate": epoch.learning_rate,
        "search/seconds": epoch.seconds,
        "search/images a second": epoch.images_per_second,
        "entropy/normal": epoch.normal_entropy,
        "skips/normal": epoch.normal_skips,
    }
    if epoch.reduction_entropy is not None:
        numbers |= {"entropy/reduction": epoch.reduction_entropy, "skips/reduction": epoch.reduction_skips}
    for kind, source, node, primitive, weight in _weights(supernet):
        numbers[f"{kind} edge {source} to {node}/{primitive}"] = weight
    events.write(epoch.epoch, numbers)


def _weights(supernet: Supernet) -> Iterator[tuple[str, int, int, str, float]]:
    """Each operation on each edge: the kind of cell, the edge's source and node, the operation, its weight."""
    for kind, weight_eo in zip(("normal", "reduction"), supernet.mixtures(), strict=True):
        if weight_eo is None:
            continue
        for (source, node), row in zip(supernet.edges, weight_eo.tolist(), strict=True):
            for primitive, weight in zip(supernet.primitives, row, strict=True):
                yield kind, source, node, primitive, weight


def _entropy(alpha_eo: Tensor) -> float:
    log_eo = alpha_eo.detach().double().log_softmax(dim=-1)
    return float(-(log_eo.exp() * log_eo).sum(dim=-1).mean())


def _csv(epochs: Sequence[Epoch]) -> str:
    text = io.StringIO()
    writer: Any = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, epochs))
    return text.getvalue()
