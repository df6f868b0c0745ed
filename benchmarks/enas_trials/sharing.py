"""What the bank of shared weights does for the reward of an ENAS trial; prints Markdown.

    python -m benchmarks.enas_trials.sharing --data FOLDER --work FOLDER [--jobs N] [--only KIND]

FOLDER of --data holds CIFAR-10 as ``train-1.npz`` and ``train-2.npz`` (``x`` uint8 (N, 32, 32, 3), ``y``). Every
number is of a trial as Katib would start it. Trials that are done are kept in the folder --work, so that the
benchmark goes on where it was left; --jobs ends it after so many trials. A call without --only prints the tables.
``sharing_search.py`` measures what the bank does for a whole search.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from scipy.stats import kendalltau

from benchmarks.enas_trials import trials
from benchmarks.enas_trials.trials import Job, architectures, last_accuracy

NUM_ARCHITECTURES = 24
"""Whose rewards are compared with what they come to after longer training."""
NUM_BEFORE = 48
"""Trials of other architectures that a search has run before these."""
SEARCH_SEEDS = (1, 2)
KINDS = {
    "alone": "1 epoch, from nothing",
    "thrice": "3 epochs, from nothing",
    "bank": f"1 epoch, with the bank of {NUM_BEFORE} trials before",
}
"""The first sees as many images a trial as the last, the second as many in all, on a third of the architectures."""


def jobs() -> Iterator[tuple[str, int, Job]]:
    """Yield kind, seed and trial of all, those that share weights in the order in which they do."""
    chosen = architectures(NUM_ARCHITECTURES, seed=0)
    for seed in SEARCH_SEEDS:
        before = [rows for rows in architectures(NUM_BEFORE + NUM_ARCHITECTURES, seed) if rows not in chosen]
        seeds = [seed * 1000 + 500 + number for number in range(-NUM_BEFORE, NUM_ARCHITECTURES)]
        for number, rows in enumerate(before[:NUM_BEFORE]):
            job = Job(name=f"before-{seed}-{number:03d}", rows=rows, epochs=1, seed=seeds[number], bank=f"bank-{seed}")
            yield "before", seed, job
        for number, rows in enumerate(chosen):
            own = seeds[NUM_BEFORE + number]
            name = f"{seed}-{number:03d}"
            yield "bank", seed, Job(name=f"bank-{name}", rows=rows, epochs=1, seed=own, bank=f"bank-{seed}")
            yield "alone", seed, Job(name=f"alone-{name}", rows=rows, epochs=1, seed=own)
            epochs = (NUM_BEFORE + NUM_ARCHITECTURES) // NUM_ARCHITECTURES
            yield "thrice", seed, Job(name=f"thrice-{name}", rows=rows, epochs=epochs, seed=own)
    for seed in trials.TRUTH_SEEDS:
        for number, rows in enumerate(chosen):
            name = f"truth-{seed}-{number:03d}"
            yield "truth", seed, trials.truth(name, rows, seed * 1000 + 500 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=sys.maxsize)
    parser.add_argument("--only", help="run the trials of this kind alone: bank needs before")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trials.prepare(arguments.data, arguments.work)
    left = [
        job
        for kind, _, job in jobs()
        if arguments.only in (None, kind) and not (arguments.work / f"{job.name}.json").exists()
    ]
    for job in left[: arguments.jobs]:
        trials.run(job, arguments.work)
    if len(left) > arguments.jobs:
        sys.exit(75)  # there is more to do
    if arguments.only is None:
        report(arguments.work)


def report(work: Path) -> None:
    def values(kind: str, seed: int) -> list[float]:
        return [last_accuracy(job, work) for name, of, job in jobs() if (name, of) == (kind, seed)]

    truths = [values("truth", seed) for seed in trials.TRUTH_SEEDS]
    truth = [statistics.fmean(each) for each in zip(*truths, strict=True)]
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
    print(f"True accuracies of both seeds: tau {kendalltau(*truths).statistic:.3f}.")
    for kind, text in KINDS.items():
        tau = kendalltau(*(values(kind, seed) for seed in SEARCH_SEEDS)).statistic
        print(f"Rewards of both seeds, {text}: tau {tau:.3f}.")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
