"""What the ENAS service's model has learned of each decision, from the table that it keeps beside its checkpoints."""

import csv
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from katib_local.report.model import Learned

logger = logging.getLogger(__name__)

_TABLE = "*/importance.csv"
"""Where it stands, below the service's state."""


def read(state: Path) -> tuple[Learned, ...]:
    """Read the table, what matters most first; none where there is none, or it is no such table."""
    found: list[Learned] = []
    for path in state.glob(_TABLE):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                found += _learned(list(csv.DictReader(file)))
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            logger.warning("%s is left out of the report: it does not say what matters: %s", path, error)
            return ()
    return tuple(sorted(found, key=lambda one: -one.importance))


def _learned(rows: Sequence[Mapping[str, str]]) -> list[Learned]:
    """A row for each value; those of one name stand side by side."""
    values: dict[tuple[str, str, float], dict[str, float]] = {}
    for row in rows:
        expected = float(row["expected"])
        of_name = values.setdefault((row["name"], row["kind"], float(row["importance"])), {})
        if math.isfinite(expected):
            of_name[row["value"]] = expected
    return [
        Learned(name=name, kind=kind, importance=importance, expected=expected)
        for (name, kind, importance), expected in values.items()
        if math.isfinite(importance)
    ]
