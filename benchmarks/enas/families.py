"""Families of search tasks: what is decided, what a service is told of each decision, and what a network is worth.

A network is a vector of choices, as a method of the comparison sees it. Tables are real accuracies, in percent where
that has a meaning; the synthetic tasks are drawn by a seed.
"""

import csv
import gzip
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.enas import tasks
from enas_service.decisions import Decisions
from enas_service.spaces.cells import CellSpace
from enas_service.spaces.space import Attribute
from katib_suggestion.experiment import Operation, Parameter, ParameterType

Choices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DescribedSpace:
    """A search space as far as a model needs it; see `enas_service.spaces.space.Space`.

    Args:
        counts: options of each decision.
        attributes: what is known of the decisions.
        described: decisions (N, D) to values of the attributes (N, A).
    """

    counts: tuple[int, ...]
    attributes: tuple[Attribute, ...]
    described: Callable[[Decisions], Decisions]

    @property
    def size(self) -> int:
        return math.prod(self.counts)

    def draw(self, random: np.random.Generator) -> Decisions:
        return random.integers(self.counts, dtype=np.int32)

    def key(self, decisions_d: Decisions) -> bytes:
        return decisions_d.astype(np.int32).tobytes()

    def of_key(self, key: bytes) -> Decisions:
        return np.frombuffer(key, dtype=np.int32)


@dataclass(frozen=True, kw_only=True)
class Family:
    """A task.

    Args:
        name: of the task.
        counts: options of each decision.
        attributes: what is known of the decisions.
        described: choices (N, D) to values of the attributes (N, A).
        value: choices (D) to an accuracy.
        best: the highest accuracy there is, or the highest known.
        matters: decisions that the value depends on; a yardstick is told them.
        num_layers: of a network; 0 for plain parameters. The first decisions of a macro space are operations of layers.
        operations: as an experiment lists them.
        parameters: the same of plain parameters.
        cells: the space, where it is of cells.
        cost: choices (D) to multiply-adds; None where nothing tells them.
        typical_costs: (N) multiply-adds of the networks of the table.
    """

    name: str
    counts: Sequence[int]
    attributes: Sequence[Attribute]
    described: Callable[[Choices], Choices]
    value: Callable[[Choices], float]
    best: float
    matters: Sequence[int]
    num_layers: int = 0
    operations: tuple[Operation, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    cells: CellSpace | None = None
    cost: Callable[[Choices], float] | None = None
    typical_costs: Sequence[float] = ()

    @property
    def is_macro(self) -> bool:
        """Whether it is of layers with joins."""
        return self.num_layers > 0 and self.cells is None

    @property
    def space(self) -> DescribedSpace | CellSpace:
        """What may be proposed."""
        if self.cells is not None:
            return self.cells
        return DescribedSpace(counts=tuple(self.counts), attributes=tuple(self.attributes), described=self.described)


def attribute(name: str, kind: str, count: int, decision: int, *, is_ordered: bool = False) -> Attribute:
    """One whose values are numbers from 0."""
    values = tuple(map(str, range(count)))
    return Attribute(name=name, kind=kind, values=values, is_ordered=is_ordered, decision=decision)


def _plain(
    name: str,
    counts: Sequence[int],
    kinds: Sequence[str],
    value: Callable[[Choices], float],
    best: float,
    ordered: Sequence[str] = (),
) -> Family:
    """Each decision is its own attribute; those of one name before the dot are of one kind if their values are."""
    attributes = [
        attribute(f"{kind} {decision + 1}", f"{kind} of {count}", count, decision, is_ordered=kind in ordered)
        for decision, (count, kind) in enumerate(zip(counts, kinds, strict=True))
        if count > 1
    ]
    free = [decision for decision, count in enumerate(counts) if count > 1]
    return Family(
        name=name,
        counts=counts,
        attributes=attributes,
        described=lambda choices: choices[:, free],
        value=value,
        best=best,
        matters=range(len(counts)),
        parameters=tuple(
            _parameter(f"{kind}-{decision + 1}", count)
            for decision, (count, kind) in enumerate(zip(counts, kinds, strict=True))
        ),
    )


def _macro(
    name: str, num_layers: int, num_operations: int, value: Callable[[Choices], float], best: float, *, joins: bool
) -> Family:
    """An ENAS macro space: an operation of each layer, then joins, layer by layer."""
    num_joins = num_layers * (num_layers - 1) // 2
    kinds = ["operation"] * num_layers + ["join"] * num_joins
    family = _plain(name, [num_operations] * num_layers + [2] * num_joins, kinds, value, best)
    matters = range(num_layers + num_joins) if joins else range(num_layers)
    operations = tuple(Operation(type=f"operation_{number}", parameters=()) for number in range(num_operations))
    return replace(family, matters=matters, num_layers=num_layers, operations=operations, parameters=())


def _of_rows(task: tasks.Task) -> Family:
    places = [(layer, source) for layer in range(task.num_layers) for source in range(layer)]
    starts = [sum(range(layer)) for layer in range(task.num_layers)]
    assert len(places) == starts[-1] + task.num_layers - 1

    def value(choices: Choices) -> float:
        operations, joins = choices[: task.num_layers].tolist(), choices[task.num_layers :].tolist()
        rows = [
            (operation, *joins[start : start + layer])
            for layer, (operation, start) in enumerate(zip(operations, starts, strict=True))
        ]
        return task.accuracy(rows)

    return _macro(task.name, task.num_layers, task.num_operations, value, task.best, joins=True)


def skip_density(seed: int) -> Family:
    """See `tasks.skip_density`."""
    return _of_rows(tasks.skip_density(seed))


def particular_joins(seed: int) -> Family:
    """See `tasks.particular_joins`."""
    return _of_rows(tasks.particular_joins(seed))


def interactions(seed: int) -> Family:
    """See `tasks.interactions`."""
    return _of_rows(tasks.interactions(seed))


@cache
def nas_bench_macro(data: Path) -> Family:
    """NAS-Bench-Macro (Su et al., 2103.11922): 6,561 networks trained on CIFAR-10; joins count for nothing."""
    text = (data / "nas-bench-macro" / "nas-bench-macro_cifar10.json").read_text()
    table = {tuple(map(int, key)): float(entry["mean_acc"]) for key, entry in json.loads(text).items()}
    best = max(table.values())
    return _macro("NAS-Bench-Macro", 8, 3, lambda choices: table[tuple(choices[:8].tolist())], best, joins=False)


@cache
def transnas(data: Path, task: str, *, plain: bool) -> Family:
    """TransNAS-Bench-101's macro space (Duan et al., 2105.11871): six stages, of which the last may be left out."""
    with (data / "transnas-macro" / "transnas_macro.csv").open() as file:
        rows = {tuple(map(int, row["code"].ljust(6, "0"))): row for row in csv.DictReader(file)}
    table = {code: float(row[task]) for code, row in rows.items()}
    costs = {code: float(row["macs_backbone_256px"]) for code, row in rows.items()}
    worst, best, largest = min(table.values()), max(table.values()), max(costs.values())

    def value(choices: Choices) -> float:
        return table.get(tuple(choices[:6].tolist()), worst)

    def cost(choices: Choices) -> float:
        return costs.get(tuple(choices[:6].tolist()), largest)

    if plain:
        family = _plain(f"TransNAS {task}, plain", [5] * 6, ["stage"] * 6, value, best)
    else:
        family = _macro(f"TransNAS {task}", 6, 5, value, best, joins=False)
    return replace(family, cost=cost, typical_costs=tuple(costs.values()))


@cache
def nas_bench_graph(data: Path, task: str) -> Family:
    """NAS-Bench-Graph (Qin et al., 2206.09166) as plain parameters: for each of four nodes its source and operation."""
    with gzip.open(data / "nas-bench-graph" / "perf.csv.gz", "rt") as file:
        table = {
            (tuple(map(int, row["link"])), tuple(map(int, row["ops"]))): 100 * float(row[f"{task}_valid"])
            for row in csv.DictReader(file)
        }
    worst = min(table.values())

    @cache
    def stored(links: tuple[int, ...], operations: tuple[int, ...]) -> float:
        reached: set[_Cell] = set()
        wave: set[_Cell] = {(links, operations)}
        while wave:
            wave = {other for cell in wave for other in _reordered(*cell)} - reached
            reached |= wave
            for cell in sorted(wave):
                if cell in table:
                    return table[cell]
            wave = {other for cell in wave for other in _skip_first(*cell)}
        return worst

    def value(choices: Choices) -> float:
        numbers = tuple(choices.tolist())
        return stored(numbers[:4], numbers[4:])

    kinds = ["link"] * 4 + ["operation"] * 4
    return _plain(f"NAS-Bench-Graph {task}", [1, 2, 3, 4] + [9] * 4, kinds, value, max(table.values()))


_Cell = tuple[tuple[int, ...], tuple[int, ...]]
"""Sources and operations of the four nodes of a cell."""

_SKIP = 8


def _reordered(links: tuple[int, ...], operations: tuple[int, ...]) -> Iterator[_Cell]:
    """The same cell with its nodes in every order in which each comes after its source."""
    for order in itertools.permutations(range(4)):
        place = {0: 0} | {old + 1: new + 1 for new, old in enumerate(order)}
        nodes = [(place[links[old]], operations[old]) for old in order]
        if all(source <= new for new, (source, _) in enumerate(nodes)):
            yield tuple(source for source, _ in nodes), tuple(operation for _, operation in nodes)


def _skip_first(links: tuple[int, ...], operations: tuple[int, ...]) -> Iterator[_Cell]:
    """The same cell with a skip taken out, and put first instead, where whatever was at the input reads it."""
    for skip in (node for node in range(4) if operations[node] == _SKIP):
        rest = [node for node in range(4) if node != skip]
        sources = [links[skip] if links[node] == skip + 1 else links[node] for node in rest]
        place = {0: 1} | {node + 1: new + 2 for new, node in enumerate(rest)}
        yield (0, *(place[source] for source in sources)), (_SKIP, *(operations[node] for node in rest))


@cache
def accel_nasbench(data: Path) -> Family:
    """Accel-NASBench (2404.08005) as plain parameters, through a regression on single decisions and pairs of them."""
    with (data / "accel-nasbench" / "accel_nasbench.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith("b") and "_" in name and name[1].isdigit()]
    values = [sorted({row[name] for row in rows}, key=int) for name in names]
    counts = [len(one) for one in values]
    choices = np.array([[one.index(row[name]) for one, name in zip(values, names, strict=True)] for row in rows])
    accuracy, macs = (np.array([float(row[name]) for row in rows]) for name in ("val_top1", "macs_M"))

    def pairs(choices: Choices) -> NDArray[np.float64]:
        single = np.concatenate([choices[:, [d]] == np.arange(1, count) for d, count in enumerate(counts)], axis=1)
        left, right = np.triu_indices(single.shape[1], 1)
        return np.concatenate([single, 0.5 * (single[:, left] & single[:, right])], axis=1).astype(np.float64)

    columns = pairs(choices)
    middle = columns.mean(axis=0)
    centred = columns - middle
    ridge = centred.T @ centred + 3.0 * np.eye(centred.shape[1])

    def fitted(figure_n: NDArray[np.float64]) -> Callable[[Choices], NDArray[np.float64]]:
        weights = np.linalg.solve(ridge, centred.T @ (figure_n - figure_n.mean()))
        return lambda choices: (pairs(choices) - middle) @ weights + figure_n.mean()

    many, cost = fitted(accuracy), fitted(macs)

    kinds = [name.split("_")[1] for name in names]
    best = _highest(many, counts, np.random.default_rng(0))
    family = _plain(
        "Accel-NASBench", counts, kinds, lambda one: float(many(one[np.newaxis])[0]), best, ordered=("e", "k", "l")
    )
    # A sum of fitted terms may fall below what any network costs.
    return replace(
        family,
        cost=lambda one: max(float(cost(one[np.newaxis])[0]), float(macs.min())) * 1e6,
        typical_costs=tuple(macs * 1e6),
    )


def operations106(seed: int, *, by_number: bool = False) -> Family:
    """The size of Katib's own ENAS example: 12 layers, 106 operations with attributes, 66 joins.

    A network is worth what its layers' types are, what sizes, widths and strides are in all layers alike and in each,
    what neighbouring types are together, and some joins.
    """
    separable = [(1, f, n, s, d) for f in range(3) for n in range(5) for s in range(2) for d in range(2)]
    operations = [(0, f, n, s, 0) for f in range(3) for n in range(5) for s in range(2)] + separable
    operations += [(2, f, 0, s, d) for f in range(3) for s in range(2) for d in range(2)]
    operations += [(kind, f, 0, 0, 0) for kind in (3, 4) for f in range(2)]
    of, num_layers, num_joins = np.array(operations), 12, 66
    random = np.random.default_rng([9, seed])
    kind, size = random.normal(size=(12, 5)), random.normal(size=3) * 0.8
    local, width = random.normal(size=(12, 3)) * 0.4, np.sort(random.normal(size=5)) * 0.8
    stride, depth = random.normal(size=(12, 2)), random.normal(size=2) * 0.3
    join = random.normal(size=num_joins) * 0.5 * (random.random(num_joins) < 0.3)
    pair = random.normal(size=(11, 5, 5)) * 0.5
    layer = np.arange(num_layers)

    def many(choices: Choices) -> NDArray[np.float64]:
        t, f, n, s, d = np.moveaxis(of[choices[:, :num_layers]], 2, 0)
        single = kind[layer, t] + size[f] + local[layer, f] + width[n] + stride[layer, s] + depth[d]
        pairs = pair[layer[1:] - 1, t[:, :-1], t[:, 1:]]
        worth: NDArray[np.float64] = single.sum(axis=1) + choices[:, num_layers:] @ join + pairs.sum(axis=1)
        return worth

    counts = [len(operations)] * num_layers + [2] * num_joins
    best = _highest(many, counts, random)

    def value(choices: Choices) -> float:
        return float(many(choices[np.newaxis])[0])

    family = _macro("106 operations", num_layers, len(operations), value, best, joins=True)
    if by_number:
        return family
    attributes = [
        attribute(f"{name} {decision + 1}", name, count, decision, is_ordered=name in ("size", "width"))
        for name, count in (("type", 5), ("size", 3), ("width", 5), ("stride", 2), ("depth", 2))
        for decision in range(num_layers)
    ] + [attribute(f"join {j + 1}", "join", 2, num_layers + j) for j in range(num_joins)]

    def described(choices: Choices) -> Choices:
        of_layers = of[choices[:, :num_layers]].transpose(0, 2, 1).reshape(len(choices), 5 * num_layers)
        return np.concatenate([of_layers, choices[:, num_layers:]], axis=1)

    listed = tuple(
        Operation(type=f"type_{kind}", parameters=tuple(_parameter(name, count) for name, count in parameters))
        for kind, parameters in enumerate(_PARAMETERS)
    )
    return replace(family, attributes=attributes, described=described, operations=listed)


_PARAMETERS = (
    (("size", 3), ("width", 5), ("stride", 2)),
    (("size", 3), ("width", 5), ("stride", 2), ("depth", 2)),
    (("size", 3), ("stride", 2), ("depth", 2)),
    (("size", 2),),
    (("size", 2),),
)
"""Of each type of the 106 operations; the last varies fastest."""


def _parameter(name: str, count: int) -> Parameter:
    return Parameter(name=name, type=ParameterType.CATEGORICAL, values=tuple(map(str, range(1, count + 1))))


def _highest(
    many: Callable[[Choices], NDArray[np.float64]], counts: Sequence[int], random: np.random.Generator, starts: int = 8
) -> float:
    """The best of some climbs, each to where no single decision can be bettered."""
    decisions = np.repeat(np.arange(len(counts)), counts)
    options = np.concatenate([np.arange(count) for count in counts])
    reached = []
    for _ in range(starts):
        here, worth = np.array([random.integers(count) for count in counts]), -np.inf
        while True:
            others = np.repeat(here[np.newaxis], len(options), axis=0)
            others[np.arange(len(options)), decisions] = options
            values = many(others)
            if values.max() <= worth + 1e-9:
                break
            here, worth = others[values.argmax()], float(values.max())
        reached.append(worth)
    return max(reached)
