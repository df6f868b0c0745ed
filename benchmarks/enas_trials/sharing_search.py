"""What a whole ENAS search finds with and without the bank of shared weights; prints Markdown.

    python -m benchmarks.enas_trials.sharing_search --data FOLDER --work FOLDER [--seeds 3]

Every search sees as many training images. Our suggestion service, a process of its own, proposes two trials at a time,
and learns from their accuracies. What a search found is measured by longer training, from nothing, on other images.
The data and the setting are those of ``sharing.py``. Searches that are over are kept in the folder --work.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from benchmarks.enas_trials import trials
from benchmarks.enas_trials.trials import Job
from enas_trainer.macro import config
from katib_local.manifest import document, manifest
from katib_local.manifest.experiment import Experiment
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_client import SuggestionClient
from katib_local.running.suggestion_process import MODULES, SuggestionProcess
from katib_suggestion.experiment import TrialCondition

EXAMPLE = Path(__file__).parents[2] / "examples" / "enas-shared-weights.yaml"
METRIC = "Validation-Accuracy"
NUM_IMAGES_SEEN = 144
"""By a search, in passes over the training images."""
PARALLEL = 2
NUM_BEST = 3
"""Architectures of a search, the best by reward, whose true accuracy is measured."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """To spend the images."""

    text: str
    epochs: int
    """Of a trial."""
    shared: bool = False

    @property
    def num_trials(self) -> int:
        return NUM_IMAGES_SEEN // self.epochs


WAYS = {
    "alone": Way(text="1 epoch a trial, from nothing", epochs=1),
    "thrice": Way(text="3 epochs a trial, from nothing", epochs=3),
    "bank": Way(text="1 epoch a trial, with the bank", epochs=1, shared=True),
    "thrice-bank": Way(text="3 epochs a trial, with the bank", epochs=3, shared=True),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A trial of a search."""

    rows: trials.Rows
    reward: float


def experiment(name: str, num_trials: int) -> Experiment:
    """The example of shared weights, in the small setting."""
    read = document.read(EXAMPLE.read_text())
    read["metadata"]["name"] = name
    read["spec"] |= {"maxTrialCount": num_trials, "maxFailedTrialCount": 0, "parallelTrialCount": PARALLEL}
    read["spec"]["nasConfig"] = {
        "graphConfig": {
            "numLayers": trials.NUM_LAYERS,
            "inputSizes": [trials.SIZE, trials.SIZE, 3],
            "outputSizes": [10],
        },
        "operations": [
            {
                "operationType": kind,
                "parameters": [
                    {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": [value]}}
                    for name, value in parameters.items()
                ],
            }
            for kind, parameters in trials.operations()
        ],
    }
    return manifest.parse(read)


def search(name: str, way: Way, seed: int, work: Path) -> list[Found]:
    """Run a search, or read what it came to."""
    kept = work / f"{name}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_search(name, way, seed, work)))
    return [Found(**found) for found in json.loads(kept.read_text())]


def _search(name: str, way: Way, seed: int, work: Path) -> list[dict[str, Any]]:
    asked = experiment(name, way.num_trials)
    done: list[Any] = []
    found: list[dict[str, Any]] = []
    with (
        Interruption() as interruption,
        SuggestionProcess(
            MODULES[asked.algorithm], ["--seed", str(seed)], work / f"{name}.log", interruption
        ) as process,
    ):
        client = SuggestionClient(asked, process.address, process, interruption)
        while len(done) < way.num_trials:
            new, _ = client.suggest(done, PARALLEL, {})
            for trial in new:
                interruption.check()
                texts = trial.assignments
                architecture, _ = config.read(texts["architecture"], texts["nn_config"])
                job = Job(
                    name=f"{name}-{trial.number:03d}",
                    rows=[list(row) for row in architecture.rows],
                    epochs=way.epochs,
                    seed=seed * 1000 + trial.number,
                    bank=f"{name}-weights" if way.shared else None,
                )
                reward = max(float(epoch[METRIC]) for epoch in trials.run(job, work))  # as Katib's collector has it
                found.append({"rows": job.rows, "reward": reward})
                done.append(replace(trial, condition=TrialCondition.SUCCEEDED, observation={METRIC: str(reward)}))
    return found


def truths(name: str, found: list[Found], work: Path) -> list[float]:
    """Return the true accuracies of the best by reward, the best first."""
    best = sorted(found, key=lambda one: -one.reward)[:NUM_BEST]
    jobs = [
        [trials.truth(f"{name}-truth-{seed}-{place}", one.rows, seed * 1000 + place) for seed in trials.TRUTH_SEEDS]
        for place, one in enumerate(best)
    ]
    return [statistics.fmean(trials.last_accuracy(job, work) for job in each) for each in jobs]


def report(seeds: range, work: Path) -> Iterator[str]:
    """Yield the lines of the table, and run what it needs."""
    yield (
        "| a search | seed | mean reward, by quarters of the search | true accuracy of the best by reward "
        f"| of the best {NUM_BEST}, mean |"
    )
    yield "|---|---|---|---|---|"
    for kind, way in WAYS.items():
        everything: list[list[float]] = []
        for seed in seeds:
            name = f"search-{kind}-{seed}"
            found = search(name, way, seed, work)
            true = truths(name, found, work)
            everything.append(true)
            length = len(found) // 4
            quarters = [found[start : start + length] for start in range(0, len(found), length)]
            rewards = " ".join(f"{statistics.fmean(one.reward for one in part):.3f}" for part in quarters)
            mean = statistics.fmean(true)
            yield f"| {way.num_trials} trials, {way.text} | {seed} | {rewards} | {true[0]:.3f} | {mean:.3f} |"
        firsts, means = [true[0] for true in everything], [statistics.fmean(true) for true in everything]
        yield f"| | *all* | | *{_summary(firsts)}* | *{_summary(means)}* |"


def _summary(values: list[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):.3f} ± {error:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trials.prepare(arguments.data, arguments.work)
    for line in report(range(1, arguments.seeds + 1), arguments.work):
        print(line, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
