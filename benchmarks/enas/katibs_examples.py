"""What a search finds on Katib's own examples for random search and TPE, with a stand-in for their image.

    python -m benchmarks.enas.katibs_examples table TABLE.json    # half an hour of one core
    python -m benchmarks.enas.katibs_examples search TABLE.json   # ours, Optuna's TPE, random search; prints Markdown

The examples tune mnist.py of Katib's images: the learning rate, the number of layers and the optimizer for the accuracy
on held-out data, or learning rate and momentum for the loss. In the place of MNIST stand scikit-learn's digits. Every
network of a grid is trained once, and whatever is asked for is worth what its nearest neighbour is. Needs the extra
`bench`; torch and TensorFlow each get a process of their own.
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

NUM_PARALLEL, COUNTS, NUM_SEEDS = 3, (12, 30), 20

Choice = Mapping[str, str | float]


@dataclass(frozen=True)
class Example:
    """A search space: ranges of doubles, of which the table has so many values, and of ints, and lists."""

    doubles: Mapping[str, tuple[float, float, int]]
    ints: Mapping[str, tuple[int, int]]
    lists: Mapping[str, tuple[str, ...]]
    is_maximised: bool

    def grid(self) -> Iterator[Choice]:
        """Everything that the table has."""
        axes = {
            **{
                name: [low + (high - low) * place / (num - 1) for place in range(num)]
                for name, (low, high, num) in self.doubles.items()
            },
            **{name: list(range(low, high + 1)) for name, (low, high) in self.ints.items()},
            **self.lists,
        }
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))

    def key(self, choice: Choice) -> str:
        """The place of the nearest neighbour in the table."""
        near = [
            round((float(choice[name]) - low) / (high - low) * (num - 1))
            for name, (low, high, num) in self.doubles.items()
        ]
        return " ".join(map(str, [*near, *(choice[name] for name in (*self.ints, *self.lists))]))


EXAMPLES = {
    "layers and optimizer": Example(
        {"lr": (0.01, 0.03, 31)}, {"num-layers": (2, 5)}, {"optimizer": ("sgd", "adam", "ftrl")}, is_maximised=True
    ),
    "momentum": Example({"lr": (0.01, 0.05, 16), "momentum": (0.5, 0.9, 16)}, {}, {}, is_maximised=False),
}


def train(choice: Choice) -> float:
    """Train as the example asks, and return the accuracy, or the loss where a momentum is tuned."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    torch.manual_seed(0)
    digits = load_digits()
    x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    order = torch.randperm(len(x))
    held_out, learned = order[:360], order[360:]
    hidden = [nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(int(choice.get("num-layers", 2)) - 1)]
    model = nn.Sequential(*hidden, nn.Linear(64, 10))
    rate, momentum = float(choice["lr"]), float(choice.get("momentum", 0.5))
    optimizer = {
        "sgd": lambda: torch.optim.SGD(model.parameters(), rate, momentum),
        "adam": lambda: torch.optim.Adam(model.parameters(), rate),
        "ftrl": lambda: torch.optim.Adagrad(model.parameters(), rate),
    }[str(choice.get("optimizer", "sgd"))]()
    num_epochs, size = (1, 16) if "momentum" in choice else (4, 64)
    for _ in range(num_epochs):
        for batch in learned[torch.randperm(len(learned))].split(size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        output, target = model(x[held_out]), y[held_out]
        if "momentum" in choice:
            return float(nn.functional.cross_entropy(output, target))
        return float((output.argmax(dim=1) == target).double().mean())


def ours(example: Example, table: Mapping[str, float], seed: int) -> list[float]:
    """What the trials of a search by our service came to, in order."""
    from enas_service.suggester import EnasSuggester
    from katib_suggestion.experiment import (
        Direction,
        Experiment,
        Objective,
        Parameter,
        ParameterType,
        Trial,
        TrialCondition,
    )  # fmt: skip

    parameters = [
        *(
            Parameter(name=name, type=ParameterType.DOUBLE, minimum=str(low), maximum=str(high))
            for name, (low, high, _) in example.doubles.items()
        ),
        *(
            Parameter(name=name, type=ParameterType.INT, minimum=str(low), maximum=str(high))
            for name, (low, high) in example.ints.items()
        ),
        *(Parameter(name=name, type=ParameterType.CATEGORICAL, values=texts) for name, texts in example.lists.items()),
    ]
    direction = Direction.MAXIMIZE if example.is_maximised else Direction.MINIMIZE
    experiment = Experiment(
        name="example", objective=Objective(metric="worth", direction=direction), settings=(),
        parameters=tuple(parameters), num_layers=0, input_sizes=(), output_sizes=(), operations=(),
    )  # fmt: skip
    suggester, trials, found = EnasSuggester(seed), [], []
    while len(found) < max(COUNTS):
        for choice in suggester.suggest(experiment, trials, NUM_PARALLEL, len(trials) + NUM_PARALLEL):
            found.append(table[example.key(choice)])
            trials.append(
                Trial(
                    name=f"t{len(trials):03}",
                    condition=TrialCondition.SUCCEEDED,
                    assignments=choice,
                    metrics={"worth": repr(found[-1])},
                )
            )
    return found


def optunas(name: str) -> Callable[[Example, Mapping[str, float], int], list[float]]:
    """The same by a sampler of Optuna's, as its users get it."""

    def search(example: Example, table: Mapping[str, float], seed: int) -> list[float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        space = {
            **{
                name: optuna.distributions.FloatDistribution(low, high)
                for name, (low, high, _) in example.doubles.items()
            },
            **{name: optuna.distributions.IntDistribution(low, high) for name, (low, high) in example.ints.items()},
            **{name: optuna.distributions.CategoricalDistribution(texts) for name, texts in example.lists.items()},
        }
        direction = "maximize" if example.is_maximised else "minimize"
        study = optuna.create_study(direction=direction, sampler=getattr(optuna.samplers, name)(seed=seed))
        found: list[float] = []
        while len(found) < max(COUNTS):
            for trial in [study.ask(space) for _ in range(NUM_PARALLEL)]:
                found.append(table[example.key(trial.params)])
                study.tell(trial, found[-1])
        return found

    return search


METHODS = {"ours": ours, "Optuna's TPE": optunas("TPESampler"), "random search": optunas("RandomSampler")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("table", "search"))
    parser.add_argument("table", type=Path)
    arguments = parser.parse_args()
    if arguments.step == "table":
        made = {name: {one.key(choice): train(choice) for choice in one.grid()} for name, one in EXAMPLES.items()}
        arguments.table.write_text(json.dumps(made))
        return
    tables = json.loads(arguments.table.read_text())
    print(f"| example | method | {' | '.join(f'best of {count} trials' for count in COUNTS)} | best there is |")
    print("|---|---|" + "---|" * (len(COUNTS) + 1))
    for name, example in EXAMPLES.items():
        table, best = tables[name], max if example.is_maximised else min
        for method, search in METHODS.items():
            runs = [search(example, table, seed) for seed in range(NUM_SEEDS)]
            cells = []
            for count in COUNTS:
                reached = [best(run[:count]) for run in runs]
                cells.append(f"{statistics.mean(reached):.4f} ± {statistics.stdev(reached) / NUM_SEEDS**0.5:.4f}")
            print(f"| {name} | {method} | {' | '.join(cells)} | {best(table.values()):.4f} |", flush=True)


if __name__ == "__main__":
    main()
