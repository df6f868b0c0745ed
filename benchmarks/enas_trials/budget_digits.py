"""What a search within a budget finds on real images, beside an unconstrained one of as many trials; prints Markdown.

    python -m benchmarks.enas_trials.budget_digits [--results FILE] [--seeds 5] [--trials 24]

The search is that of examples/enas-digits-budget.yaml: our suggestion service, a process of its own, proposes two
trials at a time, and each trains a network on scikit-learn's scanned digits, in this process: importing torch would
take longer than most trainings. The budget is a tenth of the median multiply-adds of 200 random networks. Of the
unconstrained search, which knows of no budget and trains everything, the best network that happens to fit is taken.
What is chosen is trained again from three other seeds: the best of many looks better than it is. A search that is done
is a line of FILE, and is not run again.
"""

import argparse
import contextlib
import io
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from enas_trainer.__main__ import main as run_trainer
from katib_local.manifest import document, manifest
from katib_local.manifest.experiment import Experiment
from katib_local.record.trials import Trial
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_client import SuggestionClient
from katib_local.running.suggestion_process import MODULES, SuggestionProcess
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.parsing.budget import Budget

EXAMPLE = Path(__file__).parents[2] / "examples" / "enas-digits-budget.yaml"
METRIC, COST = "Validation-Accuracy", "MACs"
WAYS = ("within the budget", "unconstrained")
PARALLEL = 2
NUM_DRAWN = 200
NUM_AGAIN = 3
"""Seeds from which a chosen network is trained once more."""

_PAIR = re.compile(r"(?P<name>[\w-]+)=(?P<value>\S+)")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a trial reported."""

    macs: float
    accuracy: float
    """The best epoch's, as Katib's collector takes it; 0 of a network that was not trained."""
    seconds: float


def experiment(name: str, num_trials: int, budget: Budget | None) -> Experiment:
    """The example's, with a budget or without."""
    read = document.read(EXAMPLE.read_text())
    read["metadata"]["name"] = name
    read["spec"] |= {"maxTrialCount": num_trials, "parallelTrialCount": PARALLEL}
    settings = [] if budget is None else [{"name": "budget", "value": str(budget)}]
    read["spec"]["algorithm"]["algorithmSettings"] = settings
    return manifest.parse(read)


def trained(assignments: Mapping[str, str], seed: int, budget: Budget | None) -> Trained:
    """Train a network as the example's trials do."""
    began, printed = time.process_time(), io.StringIO()
    flags = [f"--architecture={assignments['architecture']}", f"--nn_config={assignments['nn_config']}"]
    flags += ["--num_epochs=4", "--batch-size=32", "--dataset=digits", "--device=cpu", f"--seed={seed}"]
    if budget is not None:
        flags.append(f"--budget={budget}")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
        code = run_trainer([*flags, f"--output-dir={folder}"])
    assert code == 0, printed.getvalue()
    found: dict[str, list[float]] = {}
    for pair in _PAIR.finditer(printed.getvalue()):
        found.setdefault(pair["name"], []).append(float(pair["value"]))
    return Trained(macs=found[COST][0], accuracy=max(found[METRIC]), seconds=time.process_time() - began)


def budget_of_a_tenth() -> Budget:
    """A tenth of the median cost of random networks: what the service proposes before it knows of a trial."""
    nothing = Budget.parse(f"{COST}<=1", "here")
    with suggesting(experiment("draws", NUM_DRAWN, None), 0) as suggest:
        costs = [trained(trial.assignments, 0, nothing).macs for trial in suggest([], NUM_DRAWN)]
    return Budget.parse(f"{COST}<={statistics.median(costs) / 10:.0f}", "here")


@contextlib.contextmanager
def suggesting(asked: Experiment, seed: int) -> Iterator[Callable[[Sequence[Trial], int], list[Trial]]]:
    """Start the service; what is yielded asks it for so many trials, given those that are done."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Interruption() as interruption,
        SuggestionProcess(
            MODULES[asked.algorithm], ["--seed", str(seed)], Path(folder) / "service.log", interruption
        ) as service,
    ):
        client = SuggestionClient(asked, service.address, service, interruption)
        yield lambda done, count: client.suggest(done, count, {})[0]


def searched(way: str, seed: int, num_trials: int, budget: Budget) -> dict[str, Any]:
    """Run one search; return its line of the results."""
    own = budget if way == WAYS[0] else None
    asked = experiment(f"digits-{seed}", num_trials, own)
    done: list[Trial] = []
    results: list[Trained] = []
    with suggesting(asked, seed) as suggest:
        while len(done) < num_trials:
            for trial in suggest(done, min(PARALLEL, num_trials - len(done))):
                one = trained(trial.assignments, seed * 1000 + trial.number, own)
                results.append(one)
                observation = {METRIC: f"{one.accuracy:.6g}", COST: f"{one.macs:.0f}"}
                done.append(replace(trial, condition=TrialCondition.SUCCEEDED, observation=observation))
    fitting = [place for place, one in enumerate(results) if budget.is_met({COST: one.macs})]
    best = max(fitting, key=lambda place: results[place].accuracy, default=None)
    again: list[float] = []
    if best is not None:
        again = [trained(done[best].assignments, 10**6 + number, None).accuracy for number in range(NUM_AGAIN)]
    return {
        "way": way,
        "seed": seed,
        "trials": num_trials,
        "budget": str(budget),
        "num_within": len(fitting),
        "best": None if best is None else results[best].accuracy,
        "again": again,
        "macs": [one.macs for one in results],
        "accuracies": [one.accuracy for one in results],
        "seconds": sum(one.seconds for one in results),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("budget_digits.jsonl"), help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=24)
    arguments = parser.parse_args()
    rows = (
        [json.loads(line) for line in arguments.results.read_text().splitlines()] if arguments.results.exists() else []
    )
    budget = Budget.parse(rows[0]["budget"], "the results") if rows else budget_of_a_tenth()
    done = {(row["way"], row["seed"], row["trials"]) for row in rows}
    for seed in range(1, arguments.seeds + 1):
        for way in WAYS:
            if (way, seed, arguments.trials) not in done:
                rows.append(searched(way, seed, arguments.trials, budget))
                with arguments.results.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    _print_table([row for row in rows if row["trials"] == arguments.trials], budget)


def _print_table(rows: Sequence[dict[str, Any]], budget: Budget) -> None:
    print(
        f"Budget {budget}.\n\n| search | seed | trials within | best that fits | trained again, mean of {NUM_AGAIN} ",
        end="",
    )
    print("| processor seconds of its trials |\n|---|---|---|---|---|---|")
    for way in WAYS:
        of_way = [row for row in rows if row["way"] == way]
        for row in of_way:
            best = "none" if row["best"] is None else f"{row['best']:.3f}"
            again = "" if not row["again"] else f"{statistics.fmean(row['again']):.3f}"
            within = f"{row['num_within']} of {row['trials']}"
            print(f"| {way} | {row['seed']} | {within} | {best} | {again} | {row['seconds']:.0f} |")
        found = [row for row in of_way if row["again"]]
        best = _summary([row["best"] for row in found])
        again = _summary([statistics.fmean(row["again"]) for row in found])
        num_within = statistics.fmean(row["num_within"] for row in of_way)
        seconds = statistics.fmean(row["seconds"] for row in of_way)
        print(f"| *{way}* | *all* | *{num_within:.1f}* | *{best}* | *{again}* | *{seconds:.0f}* |")


def _summary(values: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values) / len(values) ** 0.5:.3f}"


if __name__ == "__main__":
    main()
