"""Does the search find better recurrent cells than chance? Prints Markdown.

    python -m benchmarks.darts.recurrent_quality --wikitext2 DIR --work DIR [--searches 4] [--random 16]

DIR holds the validation and the test part of WikiText-2 as valid.txt and test.txt. The first is trained on here; the
first lines of the second are for the alphas and for validation, others decide. Each genotype that a search found,
random ones (a source and a function of each node, all alike), the two that the paper's authors published, and an LSTM
with as many parameters are trained by the same recipe from the same seed. What is done already in the work folder is
not done again, so that the benchmark can be stopped and gone on with; what is there is reported, however little it is.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import nn

from cell_networks.language_model import LanguageModel
from darts_genotype import json_form
from darts_genotype.activations import ACTIVATIONS
from darts_genotype.recurrent import RecurrentGenotype
from darts_trainer.retraining.text_config import TextTrainingSettings
from darts_trainer.retraining.text_training import TextTraining
from trial_runtime.text import corpora

VOCABULARY = 2000
HIDDEN_SIZE = 64
NUM_NODES = 8
SEARCH_SETTINGS = {
    "num_epochs": "1", "w_lr": "3", "batch_size": "32", "hidden_size": str(HIDDEN_SIZE), "dropout": "0.2",
    "dropouth": "0.1", "dropoutx": "0.2", "dropouti": "0.1", "w_grad_clip": "0.25",
}  # fmt: skip
TRAINING = {
    "num_epochs": 5, "batch_size": 32, "learning_rate": 20, "dropout": 0.2, "dropouth": 0.1, "dropoutx": 0.2,
    "dropouti": 0.1, "dropoute": 0,
}  # fmt: skip
"""About 900 steps: fewer reward a quick start."""

PUBLISHED = {
    "published, first order": (
        ("relu", 0), ("relu", 1), ("tanh", 2), ("relu", 3), ("relu", 4), ("identity", 1), ("relu", 5), ("relu", 1),
    ),
    "published, second order": (
        ("sigmoid", 0), ("relu", 1), ("relu", 1), ("identity", 1), ("tanh", 2), ("sigmoid", 5), ("tanh", 3),
        ("relu", 5),
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wikitext2", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="keeps what is done")
    parser.add_argument("--searches", type=int, default=4, help="of each order")
    parser.add_argument("--random", type=int, default=16, help="random genotypes")
    parser.add_argument("--minutes", type=float, default=120, help="after which nothing more is begun")
    arguments = parser.parse_args()
    prepare(arguments.wikitext2, arguments.work / "text")
    end = time.monotonic() + 60 * arguments.minutes
    found: dict[str, float] = {}
    for name in order_of_work(arguments.searches, arguments.random):
        if time.monotonic() > end:
            break
        found[name] = trained(arguments.work, name)
        sys.stderr.write(f"{name}: {found[name]:.2f}\n")
    report(found)


def order_of_work(num_searches: int, num_random: int) -> list[str]:
    """Random and searched ones in turn, so that what is there when time is up can be compared."""
    searched = [f"order {order}, seed {seed}" for seed in range(num_searches) for order in (1, 2)]
    drawn = [f"random {seed}" for seed in range(num_random)]
    names = [*PUBLISHED, "LSTM"]
    for place in range(max(len(searched), len(drawn))):
        names += drawn[2 * place : 2 * place + 2] + searched[place : place + 1]
    return names


def prepare(source: Path, folder: Path) -> None:
    """Write the parts, without the lines that have no word."""
    if (folder / "test.txt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    lines = {part: [line for line in (source / f"{part}.txt").open() if line.strip()] for part in ("valid", "test")}
    place, num_words = 0, 0
    while num_words < 30_000:
        num_words += len(lines["test"][place].split())
        place += 1
    (folder / "train.txt").write_text("".join(lines["valid"]))
    (folder / "valid.txt").write_text("".join(lines["test"][:place]))
    (folder / "test.txt").write_text("".join(lines["test"][place : 4 * place]))


def trained(work: Path, name: str) -> float:
    """Return the test perplexity that a cell comes to."""
    folder = work / re.sub(r"\W+", "-", name)
    result = folder / "perplexity.json"
    if not result.exists():
        folder.mkdir(exist_ok=True)
        perplexity = lstm(work) if name == "LSTM" else retrain(work, folder, genotype(work, folder, name))
        result.write_text(json.dumps(perplexity))
    return float(json.loads(result.read_text()))


def genotype(work: Path, folder: Path, name: str) -> Path:
    """Return the file of a genotype: written, drawn, or searched for."""
    path: Path = folder / "genotype.json"
    if name in PUBLISHED:
        path.write_text(json_form.write(RecurrentGenotype.of(*PUBLISHED[name])))
    elif name.startswith("random"):
        numbers = random.Random(int(name.split()[-1]))
        nodes = [(numbers.choice(ACTIVATIONS), numbers.randrange(node)) for node in range(1, NUM_NODES + 1)]
        path.write_text(json_form.write(RecurrentGenotype.of(*nodes)))
    else:
        order, seed = re.findall(r"\d+", name)
        flags = ["--algorithm-settings", str(SEARCH_SETTINGS), "--search-space", str(list(ACTIVATIONS))]
        run("darts_trainer", [*flags, "--num-layers", "1", "--order", order, "--seed", seed], work, folder)
    return path


def retrain(work: Path, folder: Path, path: Path) -> float:
    flags = [word for name, value in TRAINING.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    flags += ["--genotype", str(path), "--hidden-size", str(HIDDEN_SIZE), "--seed", "0"]
    printed = run("darts_trainer.retrain", flags, work, folder / "retrained")
    return float(re.findall(r"Test-Perplexity=(\S+)", printed)[0])


def run(module: str, flags: list[str], work: Path, output: Path) -> str:
    """Run a trainer in one thread; return what it prints."""
    data = ["--dataset", f"text:{(work / 'text').absolute()}", "--max-vocabulary", str(VOCABULARY)]
    command = [sys.executable, "-m", module, *flags, *data, "--output-dir", str(output), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


class Lstm(nn.Module):
    """torch's LSTM as a cell of our language model; its own state of two starts anew where a window does not go on."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(hidden_size, hidden_size)
        self._memory: torch.Tensor | None = None

    def forward(
        self,
        x_tbh: torch.Tensor,
        state_bh: torch.Tensor,
        x_mask_bh: torch.Tensor | None = None,
        state_mask_bh: torch.Tensor | None = None,
    ) -> torch.Tensor:
        memory = self._memory
        if memory is None or memory.shape[1:] != state_bh.shape or not state_bh.any():
            memory = torch.zeros_like(state_bh)[None]
        state_bh = state_bh if state_mask_bh is None else state_bh * state_mask_bh
        output_tbh, (_, memory) = self.lstm(x_tbh if x_mask_bh is None else x_tbh * x_mask_bh, (state_bh[None], memory))
        self._memory = memory.detach()
        return output_tbh


def lstm(work: Path) -> float:
    """Train an LSTM with as many parameters as the cells have, by the same recipe."""
    torch.set_num_threads(1)
    corpus = corpora.load(f"text:{work / 'text'}", None, seed=0, max_vocabulary=VOCABULARY)
    wanted = 4 * HIDDEN_SIZE**2 + NUM_NODES * 2 * HIDDEN_SIZE**2 + VOCABULARY * (HIDDEN_SIZE + 1)
    size = max(size for size in range(1, 4 * HIDDEN_SIZE) if 8 * size**2 + 8 * size + VOCABULARY * (size + 1) <= wanted)
    model = LanguageModel([Lstm(size)], len(corpus.vocabulary), size, generator=torch.Generator().manual_seed(0))
    settings = TextTrainingSettings(**TRAINING)  # type: ignore[arg-type]
    training = TextTraining(model, corpus, settings, device=torch.device("cpu"), seed=0)
    for metrics in training:
        sys.stderr.write(f"LSTM, {size} units: {metrics}\n")
    training.take_best()
    return training.evaluate(training.to_evaluate(corpora.load_test(corpus, None), "test"), "test").perplexity


def report(found: dict[str, float]) -> None:
    print(f"torch {torch.__version__}; search {json.dumps(SEARCH_SETTINGS)}; training {json.dumps(TRAINING)}\n")
    print("| cell | test perplexity |\n|---|---|")
    for name, perplexity in found.items():
        print(f"| {name} | {perplexity:.2f} |")
    groups = {
        kind: [perplexity for name, perplexity in found.items() if name.startswith(kind)]
        for kind in ("random", "order 1", "order 2")
    }
    print()
    for kind, values in groups.items():
        if len(values) > 1:
            error = statistics.stdev(values) / len(values) ** 0.5
            print(f"{kind}: {statistics.mean(values):.2f} ± {error:.2f} (standard error), of {len(values)}  ")
    chance = groups["random"]
    for kind in ("order 1", "order 2"):
        if len(chance) > 1 and len(groups[kind]) > 1:
            difference = statistics.mean(chance) - statistics.mean(groups[kind])
            error = sum(statistics.variance(values) / len(values) for values in (chance, groups[kind])) ** 0.5
            print(f"{kind} below random: {difference:.2f}, {difference / error:.1f} standard errors  ")


if __name__ == "__main__":
    main()
