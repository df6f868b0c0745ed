import random
from collections.abc import Callable

import pytest

from darts_genotype.genotype import Cell, Edge, Genotype
from darts_genotype.primitives import PRIMITIVES


@pytest.fixture
def random_genotype() -> Callable[[random.Random], Genotype]:
    """Draw any genotype, of 1 to 7 nodes, with a reduction cell."""

    def cell(numbers: random.Random, num_nodes: int) -> Cell:
        return tuple(
            tuple(Edge(numbers.choice(PRIMITIVES), source) for source in numbers.sample(range(node), 2))
            for node in range(2, 2 + num_nodes)
        )

    def draw(numbers: random.Random) -> Genotype:
        num_nodes = numbers.randint(1, 7)
        return Genotype(normal=cell(numbers, num_nodes), reduce=cell(numbers, num_nodes))

    return draw
