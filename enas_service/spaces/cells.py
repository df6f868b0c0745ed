"""Cells: nodes that each compute from nodes before them, one or two, and from a cell's inputs.

Decisions are numbers of sources and of operations in turn: of each edge of each node of each cell. An architecture's
row is those of a cell.

Where a node has two edges their order means nothing: the node is their sum. So what is kept and described of it is the
edges in order, by their sources, and then by their operations.

Shape suffixes: c cell, i node, e edge of a node, k source, m operation, p trait of the operations; n and d as in
`enas_service.decisions`.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas_service.decisions import Decisions
from enas_service.spaces.operations import OperationChoice, traits
from enas_service.spaces.space import MAX_SUGGESTION_BYTES, Attribute, ForeignAssignments
from enas_service.spaces.traits import Trait
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.parsing import assignment

GRAPH = "nasConfig.graphConfig"
"""Where an Experiment gives sizes."""

_KEY = np.dtype("<u2")
"""Of a decision in a key: there are no more operations than 10,000."""


@dataclass(frozen=True, kw_only=True)  # without slots, for what is computed once
class CellSpace:
    """All cells of an experiment, from which a trial makes a network."""

    search_for: str
    """The setting's value."""
    cells: tuple[str, ...]
    """(C,) names, for readers."""
    num_inputs: int
    """Of a cell; its nodes are numbered behind them."""
    num_edges: int
    """E, of a node."""
    num_nodes: int
    """Of a cell, without its inputs."""
    has_loose_ends: bool
    """Whether a cell's output is of what no node of it reads, or else of all nodes."""
    num_layers: int
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    operations: tuple[OperationChoice, ...]
    """(m,)"""

    def __post_init__(self) -> None:
        if self.max_suggestion_bytes > MAX_SUGGESTION_BYTES:
            allowed = f"a suggestion may be {MAX_SUGGESTION_BYTES} bytes long: have fewer nodes"
            raise InvalidExperiment(self.where, f"{self.max_suggestion_bytes} bytes", allowed)

    @property
    def where(self) -> str:
        """The part of an Experiment that says it."""
        return "nasConfig"

    @property
    def summary(self) -> str:
        """How large it is in a few words."""
        return f"{self.search_for} cells of {self.num_nodes} nodes, {len(self.operations)} operations"

    @property
    def notes(self) -> tuple[str, ...]:
        """The Experiment says all of it."""
        return ()

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """(D,) how many options each decision has."""
        of_edges = [(count, len(self.operations)) * self.num_edges for count in self._num_sources]
        return sum(of_edges, start=()) * len(self.cells)

    @property
    def num_bits(self) -> int:
        """None: each source is a choice of one."""
        return 0

    @property
    def size(self) -> int:
        """How many there are, the order of edges aside."""
        # Of each node a multiset of edges.
        pairs = [count * len(self.operations) for count in self._num_sources]
        of_cell = math.prod(math.comb(one + self.num_edges - 1, self.num_edges) for one in pairs)
        return math.prod(of_cell for _ in self.cells)

    @property
    def max_suggestion_bytes(self) -> int:
        """No suggestion is longer."""
        longest = len(str(max(self.counts)))
        # Marks around them: of a number 2, of the rest of an entry below 100.
        return (longest + 2) * len(self.counts) + sum(one.num_bytes + 120 for one in self.operations) + 500

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """(A,) of each edge, in order: its source, the traits of its operation, and both together; then loose ends."""
        of_edges = zip(self._edge_attributes(), self._is_attribute, strict=True)
        return (*(attribute for attribute, is_attribute in of_edges if is_attribute), *self._loose_attributes())

    def described(self, decisions_nd: Decisions) -> NDArray[np.int32]:
        """(N, A), the place of each attribute's value among its values."""
        pairs_ncie = self._pairs(decisions_nd)[..., np.newaxis]
        sources_ncie, operations_ncie = np.divmod(pairs_ncie, len(self.operations))
        of_operations_nciep = self._places_mp[operations_ncie[..., 0]]
        of_edges_n = _flat(np.concatenate([sources_ncie, of_operations_nciep, pairs_ncie], axis=4))[
            :, self._is_attribute
        ]
        if not self.has_loose_ends:
            return np.asarray(of_edges_n, dtype=np.int32)
        is_read_nciek = sources_ncie == np.arange(self._num_sources[-1])
        loose_n = _flat(~is_read_nciek.any(axis=(2, 3)))
        return np.concatenate([of_edges_n, loose_n], axis=1).astype(np.int32)

    def draw(self, random: np.random.Generator) -> Decisions:
        """Draw cells, every combination of options as likely as any other."""
        return random.integers(self.counts, dtype=np.int32)

    def read(self, assignments: Mapping[str, str]) -> Decisions:
        """Read the assignment ``architecture``.

        Raises:
            ForeignAssignments: it is missing, no cells, or those of another search space.
        """
        try:
            rows = assignment.decode(assignments.get("architecture", ""))
        except assignment.MalformedAssignment as error:
            raise ForeignAssignments(str(error)) from error
        if not isinstance(rows, list) or len(rows) != len(self.cells):
            raise ForeignAssignments(f"expected a list of {len(self.cells)} rows, a cell each")
        return np.concatenate([self._read_row(row, number) for number, row in enumerate(rows, start=1)])

    def write(self, decisions_d: Decisions) -> dict[str, str]:
        """Write cells, and what their operations are.

        Every operation is there, used or not: Katib's UI takes the first number of a row for the id of one.
        """
        embedding: dict[str, assignment.JSON] = {
            str(number): {"opt_id": number, "opt_type": one.type, "opt_params": dict(one.parameters)}
            for number, one in enumerate(self.operations)
        }
        config: assignment.JSON = {
            "num_layers": self.num_layers,
            "input_sizes": self.input_sizes,
            "output_sizes": self.output_sizes,
            "search_for": self.search_for,
            "num_nodes": self.num_nodes,
            "embedding": embedding,
        }
        rows = decisions_d.reshape(len(self.cells), -1).tolist()
        return {"architecture": assignment.encode(rows), "nn_config": assignment.encode(config)}

    def key(self, decisions_d: Decisions) -> bytes:
        """Equal for equal cells, whatever the order of edges."""
        pairs_cie = self._pairs(decisions_d[np.newaxis])[0]
        return np.stack(np.divmod(pairs_cie, len(self.operations)), axis=-1).astype(_KEY).tobytes()

    def of_key(self, key: bytes) -> Decisions:
        """Read `key` back, with the edges in order.

        Raises:
            ValueError: it is no key of this space.
        """
        decisions_d = np.frombuffer(key, dtype=_KEY).astype(np.int32)
        if len(decisions_d) != len(self.counts) or np.any(decisions_d >= self.counts) or self.key(decisions_d) != key:
            raise ValueError(f"no key of {self.summary}")
        return decisions_d

    @property
    def _num_sources(self) -> range:
        """Of each node, how many sources there are."""
        return range(self.num_inputs, self.num_inputs + self.num_nodes)

    def _pairs(self, decisions_nd: Decisions) -> NDArray[np.int32]:
        """(N, C, I, E), source and operation of each edge as one number, those of a node in order."""
        shape = (len(decisions_nd), len(self.cells), self.num_nodes, self.num_edges, 2)
        edges_ncie2 = decisions_nd.reshape(shape)
        return np.sort(edges_ncie2[..., 0] * len(self.operations) + edges_ncie2[..., 1], axis=3)

    @cached_property
    def _traits(self) -> list[Trait]:
        return traits(self.operations)

    @cached_property
    def _places_mp(self) -> NDArray[np.int32]:
        places = [trait.place_m for trait in self._traits]
        return np.array(places, dtype=np.int32).reshape(len(places), len(self.operations)).T

    @cached_property
    def _described(self) -> list[tuple[str, tuple[str | None, ...], bool]]:
        """What describes an edge: of each its kind, its values, and whether these are ordered."""
        sources = tuple(map(str, range(self._num_sources[-1])))
        pairs = tuple(f"{one.text} of {source}" for source in sources for one in self.operations)
        of_operations = [(trait.kind, trait.values, trait.is_ordered) for trait in self._traits]
        return [("source", sources, True), *of_operations, ("pair", pairs, False)]

    @cached_property
    def _is_attribute(self) -> NDArray[np.bool_]:
        """Which of all edges' descriptions are attributes: the source of a node that has but one is none."""
        is_attribute_cied = np.ones(
            (len(self.cells), self.num_nodes, self.num_edges, len(self._described)), dtype=np.bool_
        )
        is_attribute_cied[:, np.array(self._num_sources) == 1, :, 0] = False
        return is_attribute_cied.ravel()

    def _edge_attributes(self) -> Iterator[Attribute]:
        """One of each description of each edge."""
        edges = itertools.product(self.cells, self._num_sources, range(1, self.num_edges + 1))
        for place, (cell, node, edge) in enumerate(edges):
            for kind, values, is_ordered in self._described:
                yield Attribute(
                    name=f"{cell} node {node}: {kind}" + (f" {edge}" if self.num_edges > 1 else ""),
                    kind=f"{cell} {kind}",
                    values=values,
                    is_ordered=is_ordered,
                    decision=2 * place + (kind != "source"),
                    set_of=place // self.num_edges if self.num_edges > 1 else None,
                )

    def _loose_attributes(self) -> Iterator[Attribute]:
        """One of each input and each node but the last, which nothing can read."""
        if not self.has_loose_ends:
            return
        for cell, source in itertools.product(range(len(self.cells)), range(self._num_sources[-1])):
            # Of the decisions that make it a loose end, or not, the first.
            node = cell * self.num_nodes + max(0, source + 1 - self.num_inputs)
            yield Attribute(
                name=f"{self.cells[cell]} node {source}: loose end",
                kind=f"{self.cells[cell]} loose end",
                values=("no", "yes"),
                is_ordered=False,
                decision=2 * self.num_edges * node,
            )

    def _read_row(self, row: object, number: int) -> Decisions:
        """The decisions of a cell."""
        if not isinstance(row, list) or any(type(value) is not int for value in row):
            raise ForeignAssignments(f"row {number}: expected a list of integers, not {row!r:.200}")
        counts = self.counts[: len(self.counts) // len(self.cells)]
        if len(row) != len(counts):
            raise ForeignAssignments(f"row {number}: expected {len(counts)} integers, not {len(row)}")
        for place, (value, count) in enumerate(zip(row, counts, strict=True), start=1):
            if not 0 <= value < count:
                raise ForeignAssignments(f"row {number}: number {place} must be from 0 to {count - 1}, not {value}")
        return np.array(row, dtype=np.int32)


def _flat(values_n: NDArray[Any]) -> NDArray[Any]:
    """(N, …) as (N, X), also where N is 0."""
    return values_n.reshape(len(values_n), math.prod(values_n.shape[1:]))


def check_sizes(name: str, sizes: Sequence[int], meaning: Sequence[str], least: int = 1) -> None:
    """Check the numbers that an Experiment gives under a name.

    Args:
        name: in `GRAPH`.
        sizes: the numbers.
        meaning: of each that must stand there.
        least: the smallest that one may be.

    Raises:
        InvalidExperiment: there are more or fewer, or one is too small.
    """
    if len(sizes) != len(meaning) or min(sizes) < least:
        allowed = f"it must list integers >= {least}: [{', '.join(meaning)}]"
        raise InvalidExperiment(f"{GRAPH}.{name}", list(sizes), allowed)


def check_enough(operations: Sequence[OperationChoice]) -> None:
    """Check that there is a choice; Katib's UI, too, takes for granted that there are operations 0 and 1.

    Raises:
        InvalidExperiment: there are not two.
    """
    if len(operations) < 2:
        given = [one.text for one in operations]
        raise InvalidExperiment("nasConfig.operations", given, "a search of cells needs at least two operations")
