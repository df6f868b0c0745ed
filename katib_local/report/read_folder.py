"""A report of a search of cells, or of the training of what a search found, from its folder."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from darts_genotype import json_form, katib_form
from katib_local.errors import RunFolderError
from katib_local.manifest.experiment import Objective, Strategy
from katib_local.record import json_objects
from katib_local.record.trials import Trial
from katib_local.report import alphas, epochs
from katib_local.report.model import Report, TrialReport
from katib_suggestion.experiment import Direction, TrialCondition
from katib_suggestion.parsing import assignment

RECORDS: Mapping[str, tuple[str, str]] = {
    "genotype.json": ("a DARTS search", "python -m darts_trainer"),
    "network.json": ("the training of what was found", "python -m darts_trainer.retrain"),
}
"""What is written at the end of each epoch, or of all: what wrote it, and its program."""

_METRIC = "Validation-Accuracy"
_WITHOUT_IMAGES_HELD_OUT = "Train-Accuracy"
_ASSIGNMENTS = ("architecture", "nn_config")
"""Of an ENAS trial, in the record of a training of what it had."""
_NO_SETTINGS = frozenset(
    {"epochs", "metrics", "versions", "genotype", "normal", "reduce", "network", "macro_network", *_ASSIGNMENTS}
)


def record_of(folder: Path) -> Path | None:
    """Return the file that says that a trainer has written a folder; None where none has."""
    names = [*RECORDS, epochs.FILE]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read(folder: Path) -> Report:
    """Read what a trainer has left so far.

    Raises:
        RunFolderError: its record is broken.
    """
    path = record_of(folder)
    assert path is not None, folder
    what, program = RECORDS.get(path.name, RECORDS["network.json"])
    record = json_objects.read(path) if path.name in RECORDS else {}
    table = epochs.read(folder / epochs.FILE)
    metrics = {name: f"{value:.6g}" for name, value in record.get("metrics", {}).items()}
    is_macro = "architecture" in record
    program = "python -m enas_trainer.retrain" if is_macro else program
    genotype = _genotype(path) if record and not is_macro else ""
    is_over = path.name == "network.json"
    metric = _METRIC if "validation_accuracy" in table or _METRIC in metrics else _WITHOUT_IMAGES_HELD_OUT
    trial = Trial(
        name=folder.absolute().name,
        number=1,
        condition=TrialCondition.SUCCEEDED,
        assignments={name: assignment.encode(record[name]) for name in _ASSIGNMENTS if name in record},
        labels={},
        observation=metrics | ({"Best-Genotype": genotype} if genotype else {}),
    )
    names = tuple(name for name in metrics if name != metric)
    return Report(
        name=folder.absolute().name,
        namespace="",
        source=f"{what} in {folder.absolute()}",
        state=f"{what}, {'over' if is_over else f'epoch {_num_epochs(table)}'}",
        started=None,
        written=datetime.now().astimezone(),
        objective=Objective(
            metric=metric,
            direction=Direction.MAXIMIZE,
            goal=None,
            additional_metrics=names,
            strategies=dict.fromkeys((metric, *names), Strategy.LATEST),
        ),
        algorithm="enas" if is_macro else "darts",
        settings=tuple((name, _text(value)) for name, value in record.items() if name not in _NO_SETTINGS),
        trials=(
            TrialReport(trial=trial, alphas=alphas.read(folder / alphas.FILE), epochs=table, remarks=_remarks(record)),
        ),
        versions=record.get("versions", {}),
        command=f"{program} … --output-dir {shlex.quote(str(folder))}",
        manifest=yaml.safe_dump(record, sort_keys=False, allow_unicode=True),
        absent=("What the command was beside its settings is not kept.",),
    )


def _remarks(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(remark) for remark in record.get("remarks", ()))


def _num_epochs(table: Mapping[str, tuple[float, ...]]) -> int:
    return max((len(values) for values in table.values()), default=0)


def _genotype(path: Path) -> str:
    try:
        return katib_form.write(json_form.read(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise RunFolderError(f"{path} is broken: {error}") from error


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(item)}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
