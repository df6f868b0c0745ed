"""Trials of ENAS in a setting small enough for hundreds of them: CIFAR-10 averaged down, five layers, 16 filters.

A trial is what Katib would start, but for the process, which is this one: importing torch would take longer than the
training.
"""

import contextlib
import io
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from enas_trainer.__main__ import main as run_trainer
from katib_suggestion.parsing import assignment

NUM_LAYERS = 5
NUM_FILTERS = 16
SIZE = 8
"""Height and width of the images."""
NUM_IMAGES, TRAIN_PORTION = 5_000, 0.6
TRUTH_EPOCHS = 12
TRUTH_SEEDS = (101, 102)

Rows = Sequence[Sequence[int]]


def operations() -> list[tuple[str, dict[str, str]]]:
    """The six operations of the paper's macro space (1802.03268, section 2.3), in the order of their ids."""
    size = {"num_filter": str(NUM_FILTERS), "stride": "1"}
    convolutions = [("convolution", {"filter_size": width, **size}) for width in ("3", "5")]
    separable = [("separable_convolution", {**more, "depth_multiplier": "1"}) for _, more in convolutions]
    pools = [("reduction", {"reduction_type": f"{kind}_pooling", "pool_size": "2"}) for kind in ("max", "avg")]
    return [*convolutions, *separable, *pools]


def nn_config() -> str:
    """Write what goes with every architecture of this space."""
    config = {
        "num_layers": NUM_LAYERS,
        "input_sizes": [SIZE, SIZE, 3],
        "output_sizes": [10],
        "embedding": {
            str(number): {"opt_id": number, "opt_type": kind, "opt_params": more}
            for number, (kind, more) in enumerate(operations())
        },
    }
    return assignment.encode(config)


def architectures(count: int, seed: int) -> list[Rows]:
    """Draw architectures, each once, as a controller does that has not learned yet."""
    chance = random.Random(seed)
    found: list[Rows] = []
    while len(found) < count:
        rows = [[chance.randrange(6), *(int(chance.random() < 0.4) for _ in range(i))] for i in range(NUM_LAYERS)]
        if rows not in found:
            found.append(rows)
    return found


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial."""

    name: str
    rows: Rows
    epochs: int
    seed: int
    images: str = "reward"
    """Or ``truth``; they have none in common."""
    bank: str | None = None
    """Name of the folder of shared weights."""


def truth(name: str, rows: Rows, seed: int) -> Job:
    """What an architecture comes to in long training from nothing: other images, another seed."""
    return Job(name=name, rows=rows, epochs=TRUTH_EPOCHS, seed=seed, images="truth")


def run(job: Job, work: Path) -> list[dict[str, Any]]:
    """Return the metrics of each epoch; a trial that is done is not run again."""
    kept = work / f"{job.name}.json"
    if not kept.exists():
        _train(job, work)
        record = json.loads((work / job.name / "architecture.json").read_text())
        kept.write_text(json.dumps(record["epochs"]))
    epochs: list[dict[str, Any]] = json.loads(kept.read_text())
    return epochs


def _train(job: Job, work: Path) -> None:
    arguments = [
        f"--architecture={job.rows}",
        f"--nn_config={nn_config()}",
        f"--num_epochs={job.epochs}",
        f"--seed={job.seed}",
        f"--dataset=npz:{work / job.images}.npz",
        f"--train-portion={TRAIN_PORTION}",
        "--batch-size=64",
        "--device=cpu",
        f"--output-dir={work / job.name}",
        *([f"--shared-weights={work / job.bank}"] if job.bank else []),
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        code = run_trainer(arguments)
    if code != 0:
        sys.exit(f"{job.name} ended with {code}")


def last_accuracy(job: Job, work: Path) -> float:
    """Return the accuracy after the last epoch, on images held out."""
    return float(run(job, work)[-1]["Validation-Accuracy"])


def prepare(data: Path, work: Path) -> None:
    """Write the images that rewards and those that longer training is measured on.

    Args:
        data: folder of CIFAR-10 as ``train-1.npz`` and ``train-2.npz``: ``x`` uint8 (N, 32, 32, 3), ``y``.
        work: folder of the trials.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name, file in (("reward", "train-1.npz"), ("truth", "train-2.npz")):
        if not (work / f"{name}.npz").exists():
            with np.load(data / file) as archive:
                images, labels = archive["x"][:NUM_IMAGES], archive["y"][:NUM_IMAGES]
            parts = images.reshape(-1, SIZE, 32 // SIZE, SIZE, 32 // SIZE, 3)
            np.savez(work / f"{name}.npz", x=parts.mean(axis=(2, 4)).round().astype(np.uint8), y=labels)
