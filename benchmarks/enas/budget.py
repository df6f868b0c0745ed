"""How good a network is found under a budget of multiply-adds, and how good a front, beside others; prints Markdown.

    python -m benchmarks.enas.budget DATA [--results FILE] [--seeds 20] [--trials 150] …

Three trials a round. Beyond the budget nothing is trained: a trial tells its cost, and an accuracy of 0. Budgets are at
the 10th, 30th and 50th percentile of the costs of the table's networks. Regret is the best accuracy within the budget
that is known less the best found, the worst of the table where nothing was found. The front's hypervolume is a share of
what accuracies from the median of 2,000 draws to the best, and costs from 0 to the largest, span. A search that is done
is a line of FILE, and is not run again.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.enas import budget_methods as methods
from benchmarks.enas import families
from benchmarks.enas.budget_methods import Maker, Outcome
from benchmarks.enas.families import Choices, Family

CHECKPOINTS = (30, 60, 150)
PERCENTILES = (10, 30, 50)

UNDER_BUDGET: dict[str, Maker] = {
    "random search": methods.RandomSearch,
    "evolution with a death penalty": methods.DeathPenalty,
    "Optuna's TPE with the constraint": partial(methods.Optuna, nsga=False),
    "Optuna's NSGA-II with the constraint": partial(methods.Optuna, nsga=True),
    "ours, without a controller": partial(methods.ModelAlone, front=False),
}
OF_A_FRONT: dict[str, Maker] = {
    "random search": methods.RandomSearch,
    "NSGA-II of pymoo": methods.Nsga,
    "ours, without a controller": partial(methods.ModelAlone, front=True),
}


def all_families(data: Path) -> dict[str, Callable[[], Family]]:
    """Those that say what a network costs."""
    return {
        "Accel-NASBench": partial(families.accel_nasbench, data),
        "TransNAS class_scene": partial(families.transnas, data, "class_scene", plain=False),
        "TransNAS jigsaw": partial(families.transnas, data, "jigsaw", plain=False),
    }


@cache
def _draws(name: str, data: Path) -> tuple[list[float], list[float]]:
    """Accuracies and costs of 2,000 networks, the same for all."""
    family, random = all_families(data)[name](), np.random.default_rng(0)
    assert family.cost is not None
    drawn = [methods.drawn(family, random) for _ in range(2000)]
    return [family.value(one) for one in drawn], [family.cost(one) for one in drawn]


def measure(family_name: str, goal: str, method: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one search; return its line of the results."""
    began = time.process_time()
    family = all_families(arguments.data)[family_name]()
    accuracies, costs = _draws(family_name, arguments.data)
    is_front = goal == "front"
    unit = max(*costs, *family.typical_costs) if is_front else np.percentile(family.typical_costs, int(goal))
    search = (OF_A_FRONT if is_front else UNDER_BUDGET)[method](family, seed)
    finished: list[Outcome] = []
    while len(finished) < arguments.trials:
        proposed = search.propose(finished, min(3, arguments.trials - len(finished)))
        finished += [_outcome(family, choices, unit) for choices in proposed]
    line = {"family": family_name, "goal": goal, "method": method, "seed": seed, "trials": arguments.trials}
    checkpoints = [number for number in CHECKPOINTS if number <= arguments.trials]
    if is_front:
        worst = float(np.median(accuracies))
        line["hypervolume"] = [hypervolume(finished[:number], worst, family.best) for number in checkpoints]
    else:
        worst = min(accuracies)
        within = np.array([one.accuracy if one.is_within else worst for one in finished])
        line["best"] = [float(np.max(within[:number], initial=worst)) for number in checkpoints]
        line["share_within"] = float(np.mean([one.is_within for one in finished[60:]]))
    return line | {"seconds": time.process_time() - began}


def _outcome(family: Family, choices: Choices, unit: float) -> Outcome:
    assert family.cost is not None
    cost = family.cost(choices) / unit
    return Outcome(choices, family.value(choices) if cost <= 1 else 0.0, cost)


def hypervolume(outcomes: list[Outcome], worst: float, best: float) -> float:
    """Share of the rectangle from the worst accuracy at cost 1 to the best at 0 that outcomes dominate."""
    total, reached = 0.0, 0.0
    for one in sorted(outcomes, key=lambda one: one.cost):
        gained = (one.accuracy - worst) / (best - worst)
        if gained > reached:
            total += (gained - reached) * (1 - one.cost)
            reached = gained
    return total


@cache
def best_within(name: str, data: Path, percentile: int) -> float:
    """The best accuracy of climbs from many starts, each to where no change of one or two decisions is better."""
    family, random = all_families(data)[name](), np.random.default_rng(0)
    assert family.cost is not None
    limit, free = np.percentile(family.typical_costs, percentile), _free(family)
    reached = -np.inf
    for _ in range(40):
        here, worth = methods.drawn(family, random), -np.inf
        for _ in range(1500):
            other = here.copy()
            for decision in random.choice(free, size=random.integers(1, 3), replace=False):
                other[decision] = random.integers(family.counts[decision])
            cost = family.cost(other)
            value = family.value(other) if cost <= limit else -cost
            if value >= worth:
                here, worth = other, value
        reached = max(reached, worth)
    return reached


def _free(family: Family) -> list[int]:
    return [one for one in family.matters if family.counts[one] > 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the tables")
    parser.add_argument("--results", type=Path, default=Path("enas_budget.jsonl"), help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000, help="seeds below it were used to choose the recipe")
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--families", type=json.loads, help="JSON list of names; all by default")
    parser.add_argument("--goals", type=json.loads, default=[*map(str, PERCENTILES), "front"], help="JSON list")
    parser.add_argument("--methods", type=json.loads, help="JSON list of names; all by default")
    arguments = parser.parse_args()
    arguments.families = arguments.families or list(all_families(arguments.data))
    done = {_key(line) for line in _lines(arguments.results)}
    for job in _jobs(arguments):
        if (*job, arguments.trials) not in done:
            line = measure(*job, arguments)
            with arguments.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
    _print_tables([line for line in _lines(arguments.results) if line["trials"] == arguments.trials], arguments)


def _jobs(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for family in arguments.families:
            for goal in arguments.goals:
                for method in OF_A_FRONT if goal == "front" else UNDER_BUDGET:
                    if not arguments.methods or method in arguments.methods:
                        yield family, goal, method, seed


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _key(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["family"], line["goal"], line["method"], line["seed"], line["trials"]


def _print_tables(lines: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    for family in arguments.families:
        for goal in arguments.goals:
            of_goal = [line for line in lines if (line["family"], line["goal"]) == (family, goal)]
            if goal == "front":
                _print_front(family, of_goal)
            else:
                _print_budget(family, goal, of_goal, best_within(family, arguments.data, int(goal)))


def _print_budget(family: str, goal: str, lines: list[dict[str, Any]], best: float) -> None:
    if not lines:
        return
    best = max(best, *(line["best"][-1] for line in lines))
    print(f"\n### {family}, MACs at percentile {goal}\n")
    print("| method | searches | 30 | 60 | 150 | / random | / evolution | within after 60 |")
    print("|---" * 8 + "|")
    found = {method: [line for line in lines if line["method"] == method] for method in UNDER_BUDGET}
    regrets = {method: best - np.array([line["best"] for line in of]) for method, of in found.items() if of}
    peers = [regrets[name].mean(axis=0)[-1] for name in list(UNDER_BUDGET)[:2] if name in regrets]
    for method, regret in regrets.items():
        mean, error = regret.mean(axis=0), regret[:, -1].std() / np.sqrt(len(regret))
        ratios = " | ".join(f"{mean[-1] / peer:.2f}" if peer > 0 else "" for peer in peers)
        share = np.mean([line["share_within"] for line in found[method]])
        figures = f"{mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} ± {error:.3f}"
        print(f"| {method} | {len(regret)} | {figures} | {ratios} | {share:.0%} |")


def _print_front(family: str, lines: list[dict[str, Any]]) -> None:
    if not lines:
        return
    print(f"\n### {family}, front of accuracy and MACs: hypervolume\n")
    print("| method | searches | 30 | 60 | 150 |\n|---|---|---|---|---|")
    for method in OF_A_FRONT:
        volumes = np.array([line["hypervolume"] for line in lines if line["method"] == method])
        if len(volumes):
            mean, error = volumes.mean(axis=0), volumes[:, -1].std() / np.sqrt(len(volumes))
            print(f"| {method} | {len(volumes)} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} ± {error:.3f} |")


if __name__ == "__main__":
    main()
