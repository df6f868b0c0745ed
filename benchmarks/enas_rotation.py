"""Whether the ENAS recipe carries over: chosen on all families of tasks but one, judged on that one; prints Markdown.

    python -m benchmarks.enas_rotation --table FILE [--seeds 12]

A figure is the regret as a share of random search's, the mean over 30, 60 and 150 trials. The seeds are not those of
`enas_search.py`.
"""

import argparse
import itertools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import enas_search
from enas_service import predictor, proposals, search

FAMILIES = {
    "table": ("NAS-Bench-Macro",),
    "joins": ("skip density", "particular joins"),
    "interactions": ("interactions",),
}
RECIPES = {
    "as shipped": (),
    "no pairs": ((predictor, "_PAIRS", 0.0),),
    "pairs 0.3": ((predictor, "_PAIRS", 0.3),),
    "without the best": ((search, "NUM_BEST", 0),),
    "2 changes": ((proposals, "_MAX_EDITS", 2),),
    "8 changes": ((proposals, "_MAX_EDITS", 8),),
    "spread 0.1": ((proposals, "_SPREAD", 0.1),),
    "spread 1": ((proposals, "_SPREAD", 1.0),),
}


def measure(job: tuple[str, str, str, int], arguments: argparse.Namespace) -> list[float]:
    """Run one search under a recipe; return the regrets."""
    task, method, recipe, seed = job
    kept = [(module, name, getattr(module, name)) for module, name, _ in RECIPES[recipe]]
    for module, name, value in RECIPES[recipe]:
        setattr(module, name, value)
    *regrets, _ = enas_search.measure((task, method, seed), arguments)
    for module, name, value in kept:
        setattr(module, name, value)
    return regrets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="NAS-Bench-Macro's JSON")
    parser.add_argument("--seeds", type=int, default=12)
    arguments = parser.parse_args()
    arguments.parallel, arguments.failing, arguments.minimize, arguments.restart = 3, 0.0, False, False
    tasks = list(itertools.chain(*FAMILIES.values()))
    share: dict[str, dict[str, float]] = {}
    print(f"| recipe | {' | '.join(tasks)} |\n|{'---|' * (len(tasks) + 1)}")
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:

        def regrets(task: str, method: str, recipe: str) -> np.ndarray:
            jobs = [(task, method, recipe, 500 + seed) for seed in range(arguments.seeds)]
            return np.mean(list(pool.map(partial(measure, arguments=arguments), jobs)), axis=0)

        random = {task: regrets(task, enas_search.RANDOM, "as shipped") for task in tasks}
        for recipe in RECIPES:
            ours = {task: regrets(task, enas_search.OURS, recipe) for task in tasks}
            share[recipe] = {task: float(np.mean(ours[task] / random[task])) for task in tasks}
            print(f"| {recipe} | {' | '.join(f'{share[recipe][task]:.3f}' for task in tasks)} |", flush=True)
    print("\n| family left out | chosen on the others | its figure there | as shipped |\n|---|---|---|---|")
    for left_out in FAMILIES:
        chosen = min(
            RECIPES,
            key=lambda recipe: sum(of_family(share[recipe], family) for family in FAMILIES if family != left_out),
        )
        figures = (f"{of_family(share[recipe], left_out):.3f}" for recipe in (chosen, "as shipped"))
        print(f"| {left_out} | {chosen} | {' | '.join(figures)} |")


def of_family(share: dict[str, float], family: str) -> float:
    return float(np.mean([share[task] for task in FAMILIES[family]]))


if __name__ == "__main__":
    main()
