"""How few trials the ENAS suggestion needs, beside what a user might pick instead; prints Markdown.

    python -m benchmarks.enas_search --table FILE [--seeds 50] [--parallel 3] [--failing .2] [--minimize] [--restart]

Regret is the best accuracy there is less the best found after 30, 60 and 150 trials, in percentage points, averaged
over seeds, with its standard error. Every method sees the same tasks, in the same rounds, with the same trials failing.
The ratios are our regret to that of random search, of evolution, and of evolution with our rule of never twice.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.enas import methods, tasks

NUM_TRIALS = 150
CHECKPOINTS = (30, 60, 150)
NUM_LAST = 30

RANDOM, OURS = "random search", "ours"
EVOLUTION, UNIQUE = "evolution, population 20, sample 10", "the same, never twice"
BASELINES = (RANDOM, EVOLUTION, UNIQUE)


def all_methods(arguments: argparse.Namespace) -> dict[str, Callable[[tasks.Task, int], methods.Method]]:
    evolution = partial(methods.RegularizedEvolution, population=20, sample=10)
    return {
        RANDOM: methods.RandomSearch,
        "evolution, population 100, sample 25 (as published)": partial(
            methods.RegularizedEvolution, population=100, sample=25
        ),
        EVOLUTION: evolution,
        UNIQUE: partial(evolution, unique=True),
        "the same, told that joins do not matter": partial(evolution, unique=True, joins=False),
        "controller as Katib credits it": methods.KatibsController,
        OURS: partial(methods.Ours, minimize=arguments.minimize, restart=arguments.restart),
    }


def measure(job: tuple[str, str, int], arguments: argparse.Namespace) -> list[float]:
    """Run one search; return the regrets and the mean accuracy of the last proposals."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    task_name, method_name, seed = job
    task = all_tasks(arguments)[task_name](seed)
    method = all_methods(arguments)[method_name](task, seed)
    failing = np.random.default_rng([3, seed]).random(NUM_TRIALS) < arguments.failing
    finished: methods.Finished = []
    worth: list[float] = []
    while len(finished) < NUM_TRIALS:
        count = min(arguments.parallel, NUM_TRIALS - len(finished))
        for rows in method.propose(finished, count):
            worth.append(task.accuracy(rows))
            finished.append((rows, None if failing[len(finished)] else worth[-1]))
    seen = np.maximum.accumulate([-np.inf if value is None else value for _, value in finished])
    return [*(task.best - seen[number - 1] for number in CHECKPOINTS), float(np.mean(worth[-NUM_LAST:]))]


def all_tasks(arguments: argparse.Namespace) -> dict[str, Callable[[int], tasks.Task]]:
    synthetic = {
        "skip density": tasks.skip_density,
        "particular joins": tasks.particular_joins,
        "interactions": tasks.interactions,
    }
    if arguments.table is None:
        return synthetic
    return {"NAS-Bench-Macro": lambda _: tasks.nas_bench_macro(arguments.table)} | synthetic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="NAS-Bench-Macro's JSON; without it the synthetic tasks alone")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=1000, help="seeds below it were used to choose the recipe")
    parser.add_argument("--parallel", type=int, default=3, help="trials a round")
    parser.add_argument("--failing", type=float, default=0.0, help="share of trials that fail")
    parser.add_argument("--minimize", action="store_true", help="report negated accuracies to ours, to be minimised")
    parser.add_argument("--restart", action="store_true", help="restart ours, without any state, before every round")
    parser.add_argument("--tasks", type=json.loads, help="JSON list of names; all by default")
    parser.add_argument("--methods", type=json.loads, help="JSON list of names; all by default")
    arguments = parser.parse_args()
    names = arguments.methods or list(all_methods(arguments))
    conditions = [f"{arguments.seeds} seeds", f"{arguments.parallel} trials a round"]
    conditions += [f"{arguments.failing:.0%} of the trials failing"] if arguments.failing else []
    conditions += ["minimised"] if arguments.minimize else []
    conditions += ["ours without its state before every round"] if arguments.restart else []
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for task in arguments.tasks or all_tasks(arguments):
            print(f"\n{task}, {', '.join(conditions)}\n")
            print("| method | regret after 30 | 60 | 150 | mean of the last 30 proposals |\n|---|---|---|---|---|")
            means = {name: row(pool, task, name, arguments) for name in names}
            for name in BASELINES:
                if name in means and OURS in means:
                    ratios = means[OURS][:-1] / means[name][:-1]
                    print(f"| *ours / {name}* | {' | '.join(f'*{ratio:.2f}*' for ratio in ratios)} | |", flush=True)


def row(pool: Executor, task: str, method: str, arguments: argparse.Namespace) -> NDArray[np.float64]:
    """Measure a method over all seeds, print its row, and return the means."""
    jobs = [(task, method, arguments.first_seed + seed) for seed in range(arguments.seeds)]
    results = np.array(list(pool.map(partial(measure, arguments=arguments), jobs)))
    means: NDArray[np.float64] = results.mean(axis=0)
    errors = results.std(axis=0) / np.sqrt(len(results))
    cells = (f"{mean:.3f} ± {error:.3f}" for mean, error in zip(means, errors, strict=True))
    print(f"| {method} | {' | '.join(cells)} |", flush=True)
    return means


if __name__ == "__main__":
    main()
