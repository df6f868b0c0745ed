"""Search tasks with a known best: three synthetic ones in which joins matter.

Every task is a function from an architecture's rows (contract: operation, then join bits) to an accuracy, in percent
where that has a meaning.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Rows = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Task:
    """A search space and what its architectures are worth.

    Args:
        accuracy: rows to accuracy, in percent.
        best: accuracy of the best architecture.
    """

    name: str
    num_layers: int
    num_operations: int
    accuracy: Callable[[Rows], float]
    best: float


def skip_density(seed: int) -> Task:
    """Rewards one operation for each layer, drawn by the seed, and a share of joins of .2, .5 or .8."""
    random = np.random.default_rng([1, seed])
    num_layers, num_operations = 8, 4
    wanted = random.integers(num_operations, size=num_layers)
    density = random.choice([0.2, 0.5, 0.8])

    def accuracy(rows: Rows) -> float:
        right = np.mean([row[0] == operation for row, operation in zip(rows, wanted, strict=True)])
        bits = [bit for row in rows for bit in row[1:]]
        # The nearest possible share of 28 joins is off by at most 1/56; it counts as met.
        missed = max(0.0, abs(np.mean(bits) - density) - 1 / 56)
        return float(100 * (0.5 * right + 0.5 * (1 - missed / max(density, 1 - density))))

    return Task("skip-density", num_layers, num_operations, accuracy, best=100.0)


def particular_joins(seed: int) -> Task:
    """Rewards one operation for each layer and one answer for each of ten joins, all drawn by the seed."""
    random = np.random.default_rng([2, seed])
    num_layers, num_operations = 8, 4
    wanted = random.integers(num_operations, size=num_layers)
    places = [(layer, source) for layer in range(num_layers) for source in range(layer)]
    chosen = [places[index] for index in random.choice(len(places), size=10, replace=False)]
    answers = random.integers(2, size=len(chosen))

    def accuracy(rows: Rows) -> float:
        right = np.mean([row[0] == operation for row, operation in zip(rows, wanted, strict=True)])
        joined = np.mean([rows[layer][1 + source] == bit for (layer, source), bit in zip(chosen, answers, strict=True)])
        return float(100 * (0.5 * right + 0.5 * joined))

    return Task("particular-joins", num_layers, num_operations, accuracy, best=100.0)


def interactions(seed: int) -> Task:
    """Rewards operations, pairs of neighbouring operations, and joins by the operation that they lead to."""
    random = np.random.default_rng([3, seed])
    num_layers, num_operations = 8, 4
    alone = random.normal(size=(num_layers, num_operations))
    pairs = random.normal(size=(num_layers - 1, num_operations, num_operations))
    joins = random.normal(size=(num_layers, num_layers, num_operations)) / 2

    def accuracy(rows: Rows) -> float:
        operations = [row[0] for row in rows]
        worth = sum(alone[layer, operation] for layer, operation in enumerate(operations))
        worth += sum(pairs[layer, one, two] for layer, (one, two) in enumerate(itertools.pairwise(operations)))
        worth += sum(
            bit * joins[layer, source, row[0]] for layer, row in enumerate(rows) for source, bit in enumerate(row[1:])
        )
        return float(5 * worth)

    # The best joins of a layer depend on its operation alone, the best operation on its neighbours: a chain.
    best = np.zeros(num_operations)
    for layer in range(num_layers):
        of_joins = np.maximum(joins[layer, :layer], 0).sum(axis=0)
        before = (best[:, np.newaxis] + pairs[layer - 1]).max(axis=0) if layer else best
        best = before + alone[layer] + of_joins
    return Task("interactions", num_layers, num_operations, accuracy, best=float(5 * best.max()))
