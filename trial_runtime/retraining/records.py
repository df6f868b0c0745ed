"""What a training leaves in its output folder for those who watch: ``epochs.csv`` and TensorBoard events.

``epochs.csv`` is written anew after each epoch; of events, those of epochs that are trained again are marked as void.
"""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from katib_suggestion.files import durable_files
from trial_runtime.reporting.events import Events

LAST = "last"
BEST_VALIDATION = "best-validation"
CHOICES = (LAST, BEST_VALIDATION)
"""Of which epoch the weights are kept: the last, as in the paper, or the first that validated best."""

_CURVES = {
    "Train-Loss": "loss/train",
    "Train-Accuracy": "accuracy/train",
    "Validation-Loss": "loss/validation",
    "Validation-Accuracy": "accuracy/validation",
}

logger = logging.getLogger(__name__)

Epoch = Mapping[str, Any]
"""Its ``epoch``, ``time`` and ``metrics``, as ``network.json`` holds them."""


def chosen(epochs: Sequence[Epoch], choice: str) -> Epoch:
    """Return the epoch whose weights are the result so far; see `CHOICES`."""
    if choice == LAST:
        return epochs[-1]
    assert choice == BEST_VALIDATION, choice
    return max(epochs, key=lambda epoch: float(epoch["metrics"]["Validation-Accuracy"]))  # the first of equals


def write(folder: Path, epochs: Sequence[Epoch]) -> None:
    """Write ``epochs.csv``; a machine that refuses is warned of, for the training can go on."""
    rows = [
        {
            "epoch": epoch["epoch"],
            **{name.lower().replace("-", "_"): value for name, value in epoch["metrics"].items()},
            "time": epoch["time"],
        }
        for epoch in epochs
    ]
    text = io.StringIO()
    writer: Any = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        durable_files.write(folder / "epochs.csv", text.getvalue().encode())
    except OSError as error:
        logger.warning("%s cannot be brought up to date: %s", folder / "epochs.csv", error)


def write_events(events: Events, epoch: Epoch, learning_rate: float) -> None:
    """Append an epoch's curves."""
    curves = {_CURVES[name]: value for name, value in epoch["metrics"].items()}
    events.write(epoch["epoch"], {**curves, "training/learning rate": learning_rate})
