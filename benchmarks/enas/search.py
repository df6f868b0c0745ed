"""How few trials the ENAS suggestion needs on many spaces, beside what a user might pick instead; prints Markdown.

    python -m benchmarks.enas.search [DATA] [--results FILE] [--seeds 20] [--parallel 3] [--failing .2] [--noise .2] …

Regret is the best accuracy there is less the best found after 20, 30, 60 and 150 trials, averaged over seeds, with its
standard error after 150. Every method sees the same tasks, in the same rounds, with the same trials failing. A search
that is done is a line of FILE, and is not run again: a campaign goes on where it was ended.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Small products: more threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.enas import cells, families, methods
from benchmarks.enas.families import Family
from benchmarks.enas.katibs_controller import KatibsController

CHECKPOINTS = (20, 30, 60, 150, 500)

OURS, ALONE, KATIBS = "ours", "ours, without a controller", "controller as Katib credits it"


def all_families(data: Path | None) -> dict[str, Callable[[int], Family]]:
    """By name; a synthetic one is drawn by the seed."""
    synthetic = {
        "skip density": families.skip_density,
        "particular joins": families.particular_joins,
        "interactions": families.interactions,
        "106 operations": families.operations106,
        "106 operations by number": partial(families.operations106, by_number=True),
        **cells.all_families(),
    }
    if data is None:
        return synthetic
    return synthetic | {
        "NAS-Bench-Macro": lambda _: families.nas_bench_macro(data),
        **{
            f"TransNAS {task}{', plain' if plain else ''}": partial(_transnas, data, task, plain)
            for plain in (False, True)
            for task in ("class_scene", "jigsaw")
        },
        **{f"NAS-Bench-Graph {task}": partial(_graph, data, task) for task in ("arxiv", "computers", "photo")},
        "Accel-NASBench": lambda _: families.accel_nasbench(data),
    }


def _transnas(data: Path, task: str, plain: bool, _: int) -> Family:
    return families.transnas(data, task, plain=plain)


def _graph(data: Path, task: str, _: int) -> Family:
    return families.nas_bench_graph(data, task)


def all_methods(arguments: argparse.Namespace) -> dict[str, Callable[[Family, int], methods.Method]]:
    """By name."""
    return {
        "random search": methods.RandomSearch,
        "evolution, population 20, sample 10": methods.RegularizedEvolution,
        "the same, told what matters": partial(methods.RegularizedEvolution, told=True),
        "local search": methods.LocalSearch,
        "Optuna's TPE, multivariate, grouped": methods.Tpe,
        "SMAC, random forest": methods.Smac,
        KATIBS: KatibsController,
        ALONE: methods.ModelAlone,
        OURS: partial(methods.Ours, minimize=arguments.minimize, restart=arguments.restart),
    }


def measure(job: tuple[str, str, int], arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one search; return its line of the results."""
    family_name, method_name, seed = job
    began = time.process_time()
    family = all_families(arguments.data)[family_name](seed)
    method = all_methods(arguments)[method_name](family, seed)
    failing = np.random.default_rng([3, seed]).random(arguments.trials) < arguments.failing
    noise = (np.random.default_rng([4, seed]).normal(size=arguments.trials) * arguments.noise).tolist()
    finished: methods.Finished = []
    worth: list[float] = []
    while len(finished) < arguments.trials:
        for choices in method.propose(finished, min(arguments.parallel, arguments.trials - len(finished))):
            value, number = family.value(choices), len(finished)
            worth.append(-np.inf if failing[number] else value)
            finished.append((choices, None if failing[number] else value + noise[number]))
    best = np.maximum.accumulate(worth)
    regrets = [family.best - best[number - 1] for number in CHECKPOINTS if number <= arguments.trials]
    return _line(job, arguments) | {"regrets": regrets, "seconds": time.process_time() - began}


def _line(job: tuple[str, str, int], arguments: argparse.Namespace) -> dict[str, Any]:
    conditions = {name: getattr(arguments, name) for name in _CONDITIONS}
    return {"family": job[0], "method": job[1], "seed": job[2], "conditions": conditions}


_CONDITIONS = ("trials", "parallel", "failing", "noise", "minimize", "restart")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of the tables; without it the synthetic tasks alone")
    parser.add_argument(
        "--results", type=Path, default=Path("enas_search.jsonl"), help="a line for each search (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000, help="seeds below it were used to choose the recipe")
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--parallel", type=int, default=3, help="trials a round")
    parser.add_argument("--failing", type=float, default=0.0, help="share of trials that fail")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation between trials of one network")
    parser.add_argument("--minimize", action="store_true", help="report negated accuracies to ours, to be minimised")
    parser.add_argument("--restart", action="store_true", help="restart ours, without any state, before every round")
    parser.add_argument("--families", type=json.loads, help="JSON list of names; all by default")
    parser.add_argument("--methods", type=json.loads, help="JSON list of names; all by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    arguments.families = arguments.families or list(all_families(arguments.data))
    arguments.methods = arguments.methods or list(all_methods(arguments))
    done = _done(arguments)
    jobs = [job for job in _jobs(arguments) if job not in done]
    with ProcessPoolExecutor(arguments.processes, multiprocessing.get_context("spawn")) as pool:
        for line in pool.map(partial(measure, arguments=arguments), jobs):
            with arguments.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
    _print_tables(arguments)


def _jobs(arguments: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for family in arguments.families:
        # Katib's controller knows no other.
        is_macro = all_families(arguments.data)[family](arguments.first_seed).is_macro
        for method in arguments.methods:
            if is_macro or method != KATIBS:
                for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                    yield family, method, seed


def _done(arguments: argparse.Namespace) -> dict[tuple[str, str, int], list[float]]:
    """Regrets of the searches in the file that were run under the same conditions."""
    if not arguments.results.exists():
        return {}
    lines = [json.loads(line) for line in arguments.results.read_text().splitlines()]
    conditions = _line(("", "", 0), arguments)["conditions"]
    return {
        (line["family"], line["method"], line["seed"]): line["regrets"]
        for line in lines
        if line["conditions"] == conditions
    }


def _print_tables(arguments: argparse.Namespace) -> None:
    done, checkpoints = _done(arguments), [one for one in CHECKPOINTS if one <= arguments.trials]
    for family in arguments.families:
        print(f"\n### {family}\n\n| method | searches | {' | '.join(map(str, checkpoints))} | / random | / evolution |")
        print("|---" * (len(checkpoints) + 4) + "|")
        found = {
            method: np.array([regrets for (one, other, _), regrets in done.items() if (one, other) == (family, method)])
            for method in arguments.methods
        }
        means = {method: regrets.mean(axis=0) for method, regrets in found.items() if len(regrets)}
        peers = [means.get(name) for name in list(all_methods(arguments))[:2]]
        for method, mean in means.items():
            error = found[method][:, -1].std() / np.sqrt(len(found[method]))
            figures = [f"{one:.3f}" for one in mean[:-1]] + [f"{mean[-1]:.3f} ± {error:.3f}"]
            ratios = [f"{mean[-1] / peer[-1]:.2f}" if peer is not None and peer[-1] > 0 else "" for peer in peers]
            print(f"| {method} | {len(found[method])} | {' | '.join(figures)} | {' | '.join(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
