"""What the bank of shared weights does for the reward of an ENAS trial; prints Markdown.

    python benchmarks/enas_sharing.py --data FOLDER --work FOLDER [--jobs N] [--only KIND]

FOLDER of --data holds CIFAR-10 as ``train-1.npz`` and ``train-2.npz`` (``x`` uint8 (N, 32, 32, 3), ``y``). Every
number is of a trial as Katib would start it. Trials that are done are kept in the folder --work, so that the
benchmark goes on where it was left; --jobs ends it after so many trials. A call without --only prints the tables.
"""

import argparse
import contextlib
import io
import json
import os
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from scipy.stats import kendalltau

from enas_trainer.__main__ import main as run_trial
from katib_suggestion import assignment

NUM_LAYERS = 5
NUM_ARCHITECTURES = 24
"""Whose rewards are compared with what they come to after longer training."""
NUM_BEFORE = 48
"""Trials of other architectures that a search has run before these."""
NUM_FILTERS = 16
SIZE = 8
"""Height and width of the images, which are averaged down."""
NUM_IMAGES, TRAIN_PORTION = 5_000, 0.6
TRUTH_EPOCHS = 12
TRUTH_SEEDS = (101,)
SEARCH_SEEDS = (1, 2)
KINDS = {
    "alone": "1 epoch, from nothing",
    "thrice": "3 epochs, from nothing",
    "bank": f"1 epoch, with the bank of {NUM_BEFORE} trials before",
}
"""The first sees as many images a trial as the last, the second as many in all, on a third of the architectures."""


def operations() -> dict[str, object]:
    """The six operations of the paper's macro space (1802.03268, section 2.3), as Katib writes them."""
    size = {"num_filter": str(NUM_FILTERS), "stride": "1"}
    convolutions = [("convolution", {"filter_size": width, **size}) for width in ("3", "5")]
    separable = [("separable_convolution", {**more, "depth_multiplier": "1"}) for _, more in convolutions]
    pools = [("reduction", {"reduction_type": f"{kind}_pooling", "pool_size": "2"}) for kind in ("max", "avg")]
    found = enumerate([*convolutions, *separable, *pools])
    return {str(number): {"opt_id": number, "opt_type": kind, "opt_params": more} for number, (kind, more) in found}


def architectures(count: int, seed: int) -> list[list[list[int]]]:
    """Draw architectures, each once, as a controller does that has not learned yet."""
    chance = random.Random(seed)
    found: list[list[list[int]]] = []
    while len(found) < count:
        rows = [[chance.randrange(6), *(int(chance.random() < 0.4) for _ in range(i))] for i in range(NUM_LAYERS)]
        if rows not in found:
            found.append(rows)
    return found


@dataclass(frozen=True)
class Job:
    """A trial."""

    kind: str
    number: int
    rows: Sequence[Sequence[int]]
    epochs: int
    seed: int
    data: str
    shared: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}-{self.number:03d}"


def jobs() -> Iterator[Job]:
    """Yield every trial, those that share weights in the order in which they do."""
    chosen = architectures(NUM_ARCHITECTURES, seed=0)
    for seed in SEARCH_SEEDS:
        before = [rows for rows in architectures(NUM_BEFORE + NUM_ARCHITECTURES, seed) if rows not in chosen]
        for number, rows in enumerate([*before[:NUM_BEFORE], *chosen]):
            yield Job("bank", number - NUM_BEFORE, rows, 1, seed, "reward", shared=True)
        for number, rows in enumerate(chosen):
            yield Job("alone", number, rows, 1, seed, "reward")
            yield Job("thrice", number, rows, (NUM_BEFORE + NUM_ARCHITECTURES) // NUM_ARCHITECTURES, seed, "reward")
    for seed in TRUTH_SEEDS:
        for number, rows in enumerate(chosen):
            yield Job("truth", number, rows, TRUTH_EPOCHS, seed, "truth")


def run(job: Job, work: Path) -> None:
    config = {
        "num_layers": NUM_LAYERS,
        "input_sizes": [SIZE, SIZE, 3],
        "output_sizes": [10],
        "embedding": operations(),
    }
    arguments = [
        f"--architecture={job.rows}",
        f"--nn_config={assignment.encode(config)}",
        f"--num_epochs={job.epochs}",
        f"--seed={job.seed * 1000 + job.number + 500}",
        f"--dataset=npz:{work / job.data}.npz",
        f"--train-portion={TRAIN_PORTION}",
        "--batch-size=64",
        "--device=cpu",
        f"--output-dir={work / job.name}",
        *([f"--shared-weights={work / f'weights-{job.seed}'}"] if job.shared else []),
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        code = run_trial(arguments)
    if code != 0:
        sys.exit(f"{job.name} ended with {code}")
    record = json.loads((work / job.name / "architecture.json").read_text())
    (work / f"{job.name}.json").write_text(json.dumps(record["epochs"]))


def prepare(data: Path, work: Path) -> None:
    """Write the images that rewards and those that longer training is measured on; they have none in common."""
    work.mkdir(parents=True, exist_ok=True)
    for name, file in (("reward", "train-1.npz"), ("truth", "train-2.npz")):
        if not (work / f"{name}.npz").exists():
            with np.load(data / file) as archive:
                images, labels = archive["x"][:NUM_IMAGES], archive["y"][:NUM_IMAGES]
            parts = images.reshape(-1, SIZE, 32 // SIZE, SIZE, 32 // SIZE, 3)
            np.savez(work / f"{name}.npz", x=parts.mean(axis=(2, 4)).round().astype(np.uint8), y=labels)


def accuracy(job: Job, work: Path) -> float:
    return float(json.loads((work / f"{job.name}.json").read_text())[-1]["Validation-Accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=sys.maxsize)
    parser.add_argument("--only", help="run the trials of this kind alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prepare(arguments.data, arguments.work)
    left = [
        job
        for job in jobs()
        if arguments.only in (None, job.kind) and not (arguments.work / f"{job.name}.json").exists()
    ]
    for job in left[: arguments.jobs]:
        run(job, arguments.work)
    if len(left) > arguments.jobs:
        sys.exit(75)  # there is more to do
    if arguments.only is None:
        report(arguments.work)


def report(work: Path) -> None:
    def values(kind: str, seed: int) -> list[float]:
        return [accuracy(job, work) for job in jobs() if (job.kind, job.seed) == (kind, seed) and job.number >= 0]

    truth = [statistics.fmean(each) for each in zip(*(values("truth", seed) for seed in TRUTH_SEEDS), strict=True)]
    print("| a trial | seed | Kendall tau | p | mean reward | true accuracy of the best by reward |")
    print("|---|---|---|---|---|---|")
    for kind, text in KINDS.items():
        for seed in SEARCH_SEEDS:
            rewards = values(kind, seed)
            tau = kendalltau(rewards, truth)
            found = truth[rewards.index(max(rewards))]
            print(
                f"| {text} | {seed} | {tau.statistic:.3f} | {tau.pvalue:.3f} "
                f"| {statistics.fmean(rewards):.3f} | {found:.3f} |"
            )
    print(f"\nTrue accuracies: {min(truth):.3f} to {max(truth):.3f}, mean {statistics.fmean(truth):.3f}.")
    for kind, text in KINDS.items():
        tau = kendalltau(*(values(kind, seed) for seed in SEARCH_SEEDS)).statistic
        print(f"Rewards of both seeds, {text}: tau {tau:.3f}.")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
