"""A recurrent genotype: the one cell that a search on text ends with. Standard library only, as all of this package."""

from collections.abc import Sequence
from dataclasses import dataclass

from darts_genotype.activations import ACTIVATIONS
from darts_genotype.genotype import MAX_NODES, Edge, Genotype, GenotypeError


@dataclass(frozen=True, kw_only=True, slots=True)
class RecurrentGenotype:
    """A recurrent cell: a node computes from one earlier node, by one activation function (1806.09055, section 2.4).

    Node 0 combines the input and the output of the step before; other nodes count from 1. The cell's output is the mean
    of the nodes in ``concat``.

    Raises:
        GenotypeError: a function is unknown, a node comes from no earlier one, there are not 1 to `MAX_NODES` nodes, or
            ``concat`` lists others, none, or one twice.
    """

    recurrent: tuple[Edge, ...]
    """Of each node from 1 on, the function and the node that it comes from."""
    concat: tuple[int, ...]
    """The nodes whose mean is the output; all of them in the paper."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_nodes <= MAX_NODES:
            raise GenotypeError("recurrent", f"{self.num_nodes} nodes", f"a cell has 1 to {MAX_NODES} nodes")
        for node, (activation, source) in enumerate(self.recurrent, start=1):
            place = f"recurrent, node {node}"
            if activation not in ACTIVATIONS:
                raise GenotypeError(place, activation, f"the functions are {', '.join(ACTIVATIONS)}")
            if not 0 <= source < node:
                raise GenotypeError(place, source, f"it comes from an earlier node, 0 to {node - 1}")
        numbers = range(1, self.num_nodes + 1)
        if not self.concat or len(set(self.concat)) != len(self.concat) or not set(self.concat) <= set(numbers):
            allowed = f"it lists nodes of 1 to {self.num_nodes}, at least one, and none twice"
            raise GenotypeError("concat", list(self.concat), allowed)

    @property
    def num_nodes(self) -> int:
        """Nodes beside node 0."""
        return len(self.recurrent)

    @property
    def concat_text(self) -> str:
        """The nodes of the output, without blanks: a range of Python's where they follow each other."""
        first, *_ = self.concat
        as_range = range(first, first + len(self.concat))
        if self.concat == tuple(as_range):
            return f"range({as_range.start},{as_range.stop})"
        return "[" + ",".join(map(str, self.concat)) + "]"

    def arc(self, activations: Sequence[str] = ACTIVATIONS) -> tuple[int, ...]:
        """Return it as google-research's ``enas_lm`` writes a fixed arc: of each node its source, then its function.

        What the output is the mean of does not stand there: all nodes.

        Args:
            activations: functions by their numbers there.
        """
        return tuple(number for name, source in self.recurrent for number in (source, activations.index(name)))

    @classmethod
    def from_arc(cls, arc: Sequence[int], activations: Sequence[str] = ACTIVATIONS) -> "RecurrentGenotype":
        """Read what `arc` returns.

        Raises:
            GenotypeError: it is no such row of numbers.
        """
        for function in arc[1::2]:
            if not 0 <= function < len(activations):
                raise GenotypeError("arc", function, f"functions have the numbers 0 to {len(activations) - 1}")
        if len(arc) % 2:
            raise GenotypeError("arc", f"{len(arc)} numbers", "a node has two, its source and its function")
        return cls.of(*((activations[number], source) for source, number in zip(arc[::2], arc[1::2], strict=True)))

    @classmethod
    def of(cls, *recurrent: tuple[str, int]) -> "RecurrentGenotype":
        """Make one whose output is the mean of all nodes.

        Raises:
            GenotypeError: see the class.
        """
        return cls(recurrent=tuple(Edge(*edge) for edge in recurrent), concat=tuple(range(1, len(recurrent) + 1)))


AnyGenotype = Genotype | RecurrentGenotype
"""What any search of DARTS ends with."""
