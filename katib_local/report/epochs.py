"""What a trainer noted of each epoch, from the table that it leaves among its artifacts."""

import csv
import logging
import math
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

FILE = "epochs.csv"
"""Of a search of cells, and of the training of what it found; a row an epoch."""

SHOWN = ("loss", "accuracy", "entropy", "skips")
"""Of the columns, those whose names end so, ``train_loss`` or ``normal_entropy``, are shown, in a figure each kind."""


def read(path: Path) -> Mapping[str, tuple[float, ...]]:
    """Read the numbers of the columns that are shown, by their names; none where there is no such file."""
    found: dict[str, list[float]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, text in row.items():
                    if name.rpartition("_")[2] in SHOWN and text:
                        found.setdefault(name, []).append(_finite(text))
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, csv.Error) as error:
        logger.warning("%s is left out of the report: it is no table of epochs: %s", path, error)
        return {}
    return {name: tuple(values) for name, values in found.items()}


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value
