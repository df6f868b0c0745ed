"""A search for cells by ENAS beside as many random cells, in real trials: a sign of life and no proof; prints Markdown.

    python -m benchmarks.enas_trials.cells micro --data FILE.npz --work FOLDER [--trials 16] [--random 16] [--seed 1]
    python -m benchmarks.enas_trials.cells recurrent --work FOLDER [--trials 16] [--random 16] [--seed 1]

Our suggestion service, a process of its own, proposes one trial after the other for the example ``enas-micro-digits``,
on images of CIFAR-10 in its place, or ``enas-text``. The random cells are drawn uniformly and trained by the same
command. Each trial has a seed of its own. What is in the folder --work already is kept.
"""

import argparse
import contextlib
import io
import json
import random
import shlex
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import yaml

from enas_trainer.__main__ import main as run_trainer
from katib_local import api
from katib_suggestion.parsing import assignment

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_IMAGES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=("micro", "recurrent"))
    parser.add_argument("--data", type=Path, help="CIFAR-10 as npz, for micro")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--random", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    document = _experiment(arguments)
    metric = document["spec"]["objective"]["objectiveMetricName"]
    folder = arguments.work / "search"
    if not folder.exists():
        api.run(document, seed=arguments.seed, output_dir=folder, progress=False)
    run = api.load(folder)
    searched = [float(trial.metrics[metric]) for trial in run.trials]
    texts = [trial.assignments for trial in run.trials]
    drawn = [
        _random_trial(document, texts[0], arguments.work / f"random-{number}", random.Random(arguments.seed + number))
        for number in range(arguments.random)
    ]
    _print(arguments.kind, metric, searched, [float(trial[metric]) for trial in drawn])


def _experiment(arguments: argparse.Namespace) -> dict[str, Any]:
    name = "enas-micro-digits" if arguments.kind == "micro" else "enas-text"
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    spec = document["spec"]
    spec["parallelTrialCount"], spec["maxTrialCount"] = 1, arguments.trials
    spec["objective"].pop("goal", None)
    if arguments.kind == "micro":
        spec["nasConfig"]["graphConfig"]["inputSizes"] = [16, 16, 3]
        command = _container(document)["command"]
        place = command.index("--dataset=digits")
        command[place : place + 1] = [f"--dataset=npz:{arguments.data.absolute()}", f"--max-images={MAX_IMAGES}"]
    return document


def _container(document: Mapping[str, Any]) -> dict[str, Any]:
    template = document["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def _random_trial(
    document: Mapping[str, Any], like: Mapping[str, str], folder: Path, chance: random.Random
) -> Mapping[str, float]:
    """Train a random architecture of the same space by the Experiment's command; return the last epoch's metrics."""
    config = json.loads(like["nn_config"].replace("'", '"'))
    num_operations, num_nodes = len(config["embedding"]), config["num_nodes"]
    if config["search_for"] == "micro":
        rows = [
            [number for node in range(2, 2 + num_nodes) for number in _drawn(node, num_operations, 2, chance)]
            for _ in range(2)
        ]
    else:
        rows = [[number for node in range(1, 1 + num_nodes) for number in _drawn(node, num_operations, 1, chance)]]
    values = {"neuralNetworkArchitecture": assignment.encode(rows), "neuralNetworkConfig": like["nn_config"]}
    text = " ".join(_container(document)["command"][3:])
    for name, value in values.items():
        text = text.replace(f"${{trialParameters.{name}}}", value)
    flags = [*shlex.split(text), f"--output-dir={folder}", f"--seed={chance.randrange(2**32)}", "--device=cpu"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert run_trainer(flags) == 0, flags
    record = json.loads((folder / "architecture.json").read_text())
    pick = max if document["spec"]["objective"]["type"] == "maximize" else min
    metric = document["spec"]["objective"]["objectiveMetricName"]
    return {metric: pick(epoch[metric] for epoch in record["epochs"])}


def _drawn(node: int, num_operations: int, num_edges: int, chance: random.Random) -> list[int]:
    return [number for _ in range(num_edges) for number in (chance.randrange(node), chance.randrange(num_operations))]


def _print(kind: str, metric: str, searched: list[float], drawn: list[float]) -> None:
    best = max if kind == "micro" else min
    half = len(searched) // 2
    sys.stdout.write(
        f"| {kind}, {metric} | best | mean of the first half | mean of the second half |\n|---|---|---|---|\n"
    )
    for name, values in (("searched", searched), ("random", drawn)):
        halves = [statistics.mean(part) for part in (values[:half], values[half:])]
        sys.stdout.write(f"| {name}, {len(values)} trials | {best(values):.4g} | {halves[0]:.4g} | {halves[1]:.4g} |\n")


if __name__ == "__main__":
    main()
