"""The fields of files, metric lines and JSON that our programs write, read off what they write.

Each trainer runs once, for seconds, on random images; runs are those that an earlier release has left for the tests.
"""

import contextlib
import csv
import importlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from website import programs

RUNS = Path("tests/data/0.1.0/runs")

_OPERATION = {
    "opt_id": 0,
    "opt_type": "convolution",
    "opt_params": {"filter_size": "1", "num_filter": "1", "stride": "1"},
}
_NN_CONFIG = {"num_layers": 1, "input_sizes": [8, 8, 1], "output_sizes": [10], "embedding": {"0": _OPERATION}}
_SETTINGS = {"num_epochs": "1", "num_nodes": "1", "init_channels": "1", "stem_multiplier": "1", "batch_size": "4"}

_SAME = ("--dataset=npz:images", "--seed=1", "--device=cpu")
_RETRAIN = (
    "--genotype=search/genotype.json", "--num-layers=1", "--init-channels=1", "--stem-multiplier=1", "--num-epochs=1",
    "--batch-size=4", "--cutout=0", "--auxiliary-weight=0",
)  # fmt: skip
PROGRAMS = {
    "search": (
        "darts_trainer",
        (f"--algorithm-settings={_SETTINGS}", "--search-space=['skip_connection']", "--num-layers=1"),
    ),
    "trained": ("darts_trainer.retrain", _RETRAIN),
    "held-out": ("darts_trainer.retrain", (*_RETRAIN, "--train-portion=.5")),
    "macro-trained": (
        "enas_trainer.retrain",
        ("--architecture=[[0]]", f"--nn_config={_NN_CONFIG}", "--num-epochs=1", "--batch-size=4"),
    ),
    "trial": ("enas_trainer", ("--architecture=[[0]]", f"--nn_config={_NN_CONFIG}", "--num_epochs=1")),
}
"""Output folders, the programs that write them, and the flags."""

GIVEN = {
    "architecture.json": {"architecture", "nn_config"},
    "network.json": {"architecture", "nn_config"},
    "katib-nas show --json": {"manifest", "settings", "versions", "trials[].metrics", "trials[].assignments"},
}
"""Fields whose content others decide, such as the user."""


def lines(root: Path) -> Iterator[str]:
    """Yield a line for each field, column and metric.

    Args:
        root: of the repository.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _write_images(Path("images"))
        for name, (program, flags) in PROGRAMS.items():
            printed = _printed(program, (*flags, *_SAME, f"--output-dir={name}"))
            yield from (f"trial metric: {program}: {metric}" for metric in re.findall(r"([\w-]+)=", _lines(printed)))
        for file in sorted(path for path in Path().glob("*/*") if path.suffix in (".json", ".csv")):
            yield from _fields(file.name, file.read_text())
        yield from _listings(root)


def _listings(root: Path) -> Iterator[str]:
    # A copy: who looks at a run may lock its folder.
    shutil.copytree(root / RUNS, "runs")
    for command, argument in (("list", "--runs-dir=runs"), ("show", "runs/enas")):
        printed = _printed(programs.KATIB_NAS, (command, argument, "--json"))
        yield from _fields(f"katib-nas {command} --json", printed)


def _write_images(folder: Path) -> None:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in ("images", "test"):
        pixels = generator.integers(256, size=(20, 8, 8), dtype=np.uint8)
        np.savez(folder / f"{name}.npz", x=pixels, y=np.arange(20) % 10)


def _printed(program: str, argv: tuple[str, ...]) -> str:
    printed = io.StringIO()
    others = {name: value for name, value in os.environ.items() if not name.startswith("KATIB_NAS_")}
    with contextlib.redirect_stdout(printed), mock.patch.dict(os.environ, others, clear=True):
        code = importlib.import_module(programs.module_of(program)).main(list(argv))
    if code != 0:
        raise RuntimeError(f"{program} {argv}: exit code {code}")
    return printed.getvalue()


def _lines(printed: str) -> str:
    """What a trial printed, without what a genotype's text holds."""
    return re.sub(r"=Genotype\(.*", "=", printed)


def _fields(owner: str, text: str) -> Iterator[str]:
    if owner.endswith(".csv"):
        yield from (f"column: {owner}: {name}" for name in next(csv.reader(io.StringIO(text))))
        return
    for path in dict.fromkeys(_paths(json.loads(text))):
        if not any(path.startswith((f"{given}.", f"{given}[")) for given in GIVEN.get(owner, ())):
            yield f"field: {owner}: {path}"


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield where in a JSON value names stand, such as ``epochs[].metrics``."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            here = f"{path}.{name}".lstrip(".")
            yield here
            yield from _paths(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, f"{path}[]")
