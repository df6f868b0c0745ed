"""Does the DARTS search find better genotypes than chance? Prints Markdown.

    python -m benchmarks.darts.quality --cifar10 DIR --work DIR [--seeds 3] [--random 10] [--retrainings 1]

A search scaled down to two CPU cores, on CIFAR-10 at 16x16 pixels; then each genotype it found, and random ones drawn
by the same edge rule, are retrained from nothing by the same command with the same seeds. Test images, which neither
the searches nor the retrainings read before their end, decide.

DIR holds CIFAR-10's training images as train-1.npz to train-5.npz (``x``, uint8, (10000, 32, 32, 3); ``y``). The first
file is searched on, part of the second retrained on, the fifth is the test set. What is done already in the work
folder is not done again, so that the benchmark can be stopped and gone on with.
"""

import argparse
import concurrent.futures
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from cell_networks.layout import edge_sources
from darts_genotype import json_form
from darts_genotype.genotype import num_skips
from darts_trainer.supernet.derivation import derive

PRIMITIVES = (
    "separable_convolution_3x3",
    "separable_convolution_5x5",
    "dilated_convolution_3x3",
    "dilated_convolution_5x5",
    "max_pooling_3x3",
    "avg_pooling_3x3",
    "skip_connection",
)
NUM_NODES = 3
SEARCH_SETTINGS = {
    "num_epochs": "12",
    "num_nodes": str(NUM_NODES),
    "init_channels": "8",
    "batch_size": "32",
    # The paper's 3e-4 is for 50 epochs of 390 steps; ours are 12 of 62.
    "alpha_lr": "3e-3",
}
SEARCH_FLAGS = ("--order", "1", "--num-layers", "4", "--max-images", "4000")
RETRAIN_FLAGS = (
    *("--num-layers", "5", "--init-channels", "16", "--num-epochs", "8", "--batch-size", "64"),
    *("--cutout", "0", "--drop-path", "0", "--auxiliary-weight", "0"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="keeps what is done")
    parser.add_argument("--seeds", type=int, default=3, help="searches")
    parser.add_argument("--random", type=int, default=10, help="random genotypes")
    parser.add_argument("--retrainings", type=int, default=1, help="of each genotype")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time, of one thread each")
    arguments = parser.parse_args()
    prepare(arguments)
    with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
        searched = list(pool.map(lambda seed: search(arguments, seed), range(arguments.seeds)))
        drawn = [draw(arguments, seed) for seed in range(arguments.random)]
        runs = [(path, seed) for seed in range(arguments.retrainings) for path in (*searched, *drawn)]
        accuracies = dict(zip(runs, pool.map(lambda run: retrain(arguments, *run), runs), strict=True))
    report(searched, drawn, accuracies)


def prepare(arguments: argparse.Namespace) -> None:
    """Write the images of 16x16 pixels, each the mean of four."""
    parts = {"search/train.npz": (1, 8_000), "retrain/train.npz": (2, 6_000), "retrain/test.npz": (5, 10_000)}
    for name, (part, num_images) in parts.items():
        path = arguments.work / name
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        loaded = np.load(arguments.cifar10 / f"train-{part}.npz")
        quarters = loaded["x"][:num_images].astype(np.float32).reshape(num_images, 16, 2, 16, 2, 3)
        np.savez(path, x=np.rint(quarters.mean(axis=(2, 4))).astype(np.uint8), y=loaded["y"][:num_images])


def search(arguments: argparse.Namespace, seed: int) -> Path:
    """Search; return the genotype's file."""
    folder = arguments.work / f"searched-{seed}"
    dataset = f"npz:{arguments.work / 'search'}"
    flags = [
        *("--algorithm-settings", str(SEARCH_SETTINGS)),
        *("--search-space", str(list(PRIMITIVES))),
        *SEARCH_FLAGS,
    ]
    run("darts_trainer", folder, [*flags, "--dataset", dataset, "--seed", str(seed)])
    return folder / "genotype.json"


def draw(arguments: argparse.Namespace, seed: int) -> Path:
    """Draw a genotype: the edge rule on random weights; return its file."""
    folder = arguments.work / f"random-{seed}"
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    num_edges = sum(map(len, edge_sources(NUM_NODES)))
    normal_eo, reduce_eo = torch.rand(2, num_edges, len(PRIMITIVES), generator=generator).softmax(dim=-1)
    path: Path = folder / "genotype.json"
    path.write_text(json_form.write(derive(normal_eo, reduce_eo, PRIMITIVES, NUM_NODES)))
    return path


def retrain(arguments: argparse.Namespace, genotype: Path, seed: int) -> dict[str, float]:
    """Retrain; return the last metrics."""
    folder = genotype.parent / f"retrained-{seed}"
    dataset = ("--dataset", f"npz:{arguments.work / 'retrain'}")
    flags = ["--genotype", str(genotype), *RETRAIN_FLAGS, *dataset, "--seed", str(seed)]
    output = run("darts_trainer.retrain", folder, flags)
    return {name: float(value) for name, value in re.findall(r"([\w-]+)=([-+.\deE]+)", output)}


def run(module: str, folder: Path, flags: list[str]) -> str:
    """Run a trainer unless it is through already; return what it printed."""
    log = folder / "stdout.log"
    if not log.exists():
        command = [sys.executable, "-m", module, *flags, "--output-dir", str(folder), "--device", "cpu"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
        printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        log.write_text(printed)
    return log.read_text()


def report(searched: list[Path], drawn: list[Path], runs: dict[tuple[Path, int], dict[str, float]]) -> None:
    print(f"torch {torch.__version__}; search {json.dumps(SEARCH_SETTINGS)} {' '.join(SEARCH_FLAGS)};")
    print(f"retraining {' '.join(RETRAIN_FLAGS)}\n")
    print("| genotype | weights | skips, normal | test accuracy in % |\n|---|---|---|---|")
    means: dict[Path, float] = {}
    for path in (*searched, *drawn):
        of_path = [metrics for (one, _), metrics in runs.items() if one == path]
        means[path] = statistics.mean(100 * metrics["Test-Accuracy"] for metrics in of_path)
        genotype = json_form.read(path.read_text())
        skips = num_skips(genotype.normal)
        weights = json.loads((path.parent / "retrained-0" / "network.json").read_text())["num_weights"]
        print(f"| {path.parent.name} | {weights:,} | {skips} | {means[path]:.2f} |")
    print()
    for name, group in (("searched", searched), ("random", drawn)):
        accuracies = [means[path] for path in group]
        print(f"{name}: {statistics.mean(accuracies):.2f} ± {standard_error(accuracies):.2f} (standard error)  ")
    ours, theirs = ([means[path] for path in group] for group in (searched, drawn))
    difference = statistics.mean(ours) - statistics.mean(theirs)
    error = (standard_error(ours) ** 2 + standard_error(theirs) ** 2) ** 0.5
    print(f"difference: {difference:.2f}, {difference / error:.1f} standard errors")


def standard_error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5


if __name__ == "__main__":
    main()
