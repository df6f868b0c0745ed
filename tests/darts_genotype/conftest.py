import random
from collections.abc import Callable

import pytest

from darts_genotype.genotype import Cell, Edge, Genotype
from darts_genotype.primitives import PRIMITIVES


@pytest.fixture
def random_genotype() -> Callable[[random.Random], Genotype]:
    """Draw any genotype, of 1 to 7 nodes, with a reduction cell; half of them as a DARTS search may end."""

    def cell(numbers: random.Random, num_nodes: int, is_of_darts: bool) -> Cell:
        draw_sources = numbers.sample if is_of_darts else numbers.choices
        return tuple(
            tuple(Edge(numbers.choice(PRIMITIVES), source) for source in draw_sources(range(node), k=2))
            for node in range(2, 2 + num_nodes)
        )

    def concat(numbers: random.Random, cell: Cell, is_of_darts: bool) -> tuple[int, ...]:
        read = {edge.source for node in cell for edge in node}
        inner = range(2, 2 + len(cell))
        return tuple(node for node in range(inner.stop) if (node in inner if is_of_darts else node not in read))

    def draw(numbers: random.Random) -> Genotype:
        num_nodes, is_of_darts = numbers.randint(1, 7), numbers.random() < 0.5
        normal, reduce = (cell(numbers, num_nodes, is_of_darts) for _ in range(2))
        return Genotype(
            normal=normal,
            reduce=reduce,
            normal_concat=concat(numbers, normal, is_of_darts),
            reduce_concat=concat(numbers, reduce, is_of_darts),
        )

    return draw
