"""What the ENAS search loses to early stopping, and what it is worth that a stopped trial counts as poor.

    python -m benchmarks.enas.early_stopping DATA [--seeds 20]

A trial is stopped, as by Katib's medianstop, if it is worth less than the mean of those that have run to their end,
once there are three. The tables know how good a network becomes, not how it gets there: so each trial shows at once
what it is worth. Stopped trials come without a metric, which is the least that Katib sends. Prints Markdown: regret
after 30 and 60 trials, in percentage points, with its standard error over seeds, and the share of trials stopped.
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.enas import families
from benchmarks.enas.families import Family
from benchmarks.enas.methods import Ours
from katib_suggestion.experiment import Trial, TrialCondition

NUM_TRIALS = 60
CHECKPOINTS = (30, 60)
MIN_TRIALS = 3
PARALLEL = 3

FULL, POOR, NOTHING = "no trial is stopped", "stopped ones count as the worst", "stopped ones teach nothing"
WAYS = (FULL, POOR, NOTHING)


def measure(job: tuple[str, str, int], arguments: argparse.Namespace) -> list[float]:
    """Run one search; return its regrets, and the share of its trials that were stopped."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    name, way, seed = job
    task = all_tasks(arguments)[name]
    ours = Ours(task, seed)
    trials: list[Trial] = []
    worth: list[float] = []
    while len(trials) < NUM_TRIALS:
        succeeded = [value for value, trial in zip(worth, trials, strict=True) if trial.metrics]
        threshold = np.mean(succeeded) if len(succeeded) >= MIN_TRIALS and way != FULL else -np.inf
        for suggestion in ours._suggester.suggest(ours._experiment, trials, PARALLEL, len(trials) + PARALLEL):
            value = task.value(ours.choices(suggestion))
            worth.append(value)
            # A trial that has failed teaches nothing.
            stopped = TrialCondition.EARLY_STOPPED if way == POOR else TrialCondition.FAILED
            trials.append(
                Trial(
                    name=f"trial-{len(trials)}",
                    condition=TrialCondition.SUCCEEDED if value >= threshold else stopped,
                    assignments=suggestion,
                    metrics={"accuracy": repr(value)} if value >= threshold else {},
                )
            )
    best = np.maximum.accumulate(worth)
    share = float(np.mean([not trial.metrics for trial in trials]))
    return [*(task.best - best[number - 1] for number in CHECKPOINTS), share]


def all_tasks(arguments: argparse.Namespace) -> dict[str, Family]:
    return {
        "NAS-Bench-Macro": families.nas_bench_macro(arguments.data),
        "TransNAS-Bench-101, macro, scenes": families.transnas(arguments.data, "class_scene", plain=False),
        "TransNAS-Bench-101, macro, jigsaw": families.transnas(arguments.data, "jigsaw", plain=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the tables, as of enas_search")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for task in all_tasks(arguments):
            print(f"\n{task}, {arguments.seeds} seeds, {PARALLEL} trials a round\n")
            print("| trials | regret after 30 | 60 | share that is stopped |\n|---|---|---|---|")
            for way in WAYS:
                jobs = [(task, way, arguments.first_seed + seed) for seed in range(arguments.seeds)]
                results = np.array(list(pool.map(partial(measure, arguments=arguments), jobs)))
                means, errors = results.mean(axis=0), results.std(axis=0) / np.sqrt(len(results))
                regrets = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(means[:-1], errors[:-1], strict=True)]
                print(f"| {way} | {' | '.join(regrets)} | {means[-1]:.0%} |", flush=True)


if __name__ == "__main__":
    main()
