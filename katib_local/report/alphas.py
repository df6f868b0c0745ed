"""How a DARTS trial's mixtures moved, from the file that its trainer leaves among its artifacts."""

import csv
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from katib_local.report.model import AlphaHistory

logger = logging.getLogger(__name__)

FILE = "alphas.csv"
"""Columns: epoch, cell, source, node, operation, weight."""


def read(path: Path) -> tuple[AlphaHistory, ...]:
    """Read the file, one history for each kind of cell; none where it is not there, or is no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _histories(file)
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        logger.warning("%s is left out of the report: it is no table of alphas: %s", path, error)
        return ()


def _histories(file: Iterable[str]) -> tuple[AlphaHistory, ...]:
    weights: dict[str, dict[str, dict[int, float]]] = {}
    for row in csv.DictReader(file):
        choice = f"{int(row['source'])} → {int(row['node'])}: {row['operation']}"
        of_cell = weights.setdefault(row["cell"], {})
        weight = float(row["weight"])
        if not math.isfinite(weight):
            raise ValueError(f"the weight of {choice} is {weight}")
        of_cell.setdefault(choice, {})[int(row["epoch"])] = weight
    return tuple(_history(cell, of_cell) for cell, of_cell in weights.items())


def _history(cell: str, weights: Mapping[str, Mapping[int, float]]) -> AlphaHistory:
    epochs = sorted({epoch for of_choice in weights.values() for epoch in of_choice})
    return AlphaHistory(
        cell=cell,
        epochs=tuple(epochs),
        choices=tuple(weights),
        weights=tuple(tuple(of_choice[epoch] for epoch in epochs) for of_choice in weights.values()),
    )
