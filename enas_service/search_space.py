"""What a controller's decisions mean: macro architectures of layers, operations and joins.

Shape suffixes: l layer, k source of a join (0 is the input image, k > 0 is layer k of 1 … L).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enas_service.limits import DEFAULT, EnasLimits
from katib_suggestion import assignment, feasible_space
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Experiment, Operation
from katib_suggestion.feasible_space import Value

MAX_SIZES = 10
"""Most numbers in the size of an input or an output; an image has three."""

MAX_SUGGESTION_BYTES = 100_000
"""Longest suggestion. It goes to the trial's shell as one argument, of which Linux takes 128 KiB."""


class MalformedArchitecture(ValueError):
    """An assignment's text is no architecture of this search space."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a controller decides, in order: for each layer a choice, then a bit for each earlier anchor.

    Args:
        choices_l: (L,) int, the operation of each layer.
        joins_lk: (L, L) bool, whether source k joins the layer of row l; false for k >= l.
    """

    choices_l: NDArray[np.int32]
    joins_lk: NDArray[np.bool_]

    @property
    def key(self) -> bytes:
        """Equal for equal decisions, and for no others of the same space."""
        return self.choices_l.tobytes() + np.packbits(self.joins_lk).tobytes()

    @classmethod
    def of_key(cls, key: bytes, num_layers: int) -> "Decisions":
        """Read `key` back.

        Raises:
            ValueError: it is not of this many layers.
        """
        size = num_layers * np.dtype(np.int32).itemsize
        bits = np.unpackbits(np.frombuffer(key[size:], dtype=np.uint8), count=num_layers**2)
        return cls(
            choices_l=np.frombuffer(key[:size], dtype=np.int32),
            joins_lk=bits.astype(np.bool_).reshape(num_layers, num_layers),
        )


@dataclass(frozen=True, slots=True)
class OperationChoice:
    """One operation with its parameters fixed."""

    type: str
    parameters: tuple[tuple[str, Value], ...]
    """Names and values, in the order given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpace:
    """All macro architectures of an experiment: L layers, m operations, and every join to an earlier layer."""

    num_layers: int
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    operations: tuple[OperationChoice, ...]

    @classmethod
    def of(cls, experiment: Experiment, limits: EnasLimits = DEFAULT) -> "SearchSpace":
        """Expand the operations of an experiment.

        Raises:
            InvalidExperiment: a size, an operation or a feasible space is none of what is allowed.
        """
        graph = "nasConfig.graphConfig"
        if experiment.num_layers < 1:
            raise InvalidExperiment(f"{graph}.numLayers", experiment.num_layers, "it must be an integer >= 1")
        if experiment.num_layers > limits.max_layers:
            raise InvalidExperiment(f"{graph}.numLayers", experiment.num_layers, limits.allowed("max_layers"))
        for name, sizes in (("inputSizes", experiment.input_sizes), ("outputSizes", experiment.output_sizes)):
            if not 1 <= len(sizes) <= MAX_SIZES or min(sizes) < 1:
                allowed = f"it must list integers >= 1, up to {MAX_SIZES} of them"
                raise InvalidExperiment(f"{graph}.{name}", list(sizes), allowed)
        space = cls(
            num_layers=experiment.num_layers,
            input_sizes=experiment.input_sizes,
            output_sizes=experiment.output_sizes,
            operations=_expand(experiment.operations, limits),
        )
        if space.max_suggestion_bytes > MAX_SUGGESTION_BYTES:
            allowed = f"a suggestion may be {MAX_SUGGESTION_BYTES} bytes long: have fewer layers or shorter texts"
            raise InvalidExperiment("nasConfig", f"{space.max_suggestion_bytes} bytes", allowed)
        return space

    @property
    def size(self) -> int:
        """How many architectures there are."""
        return int(len(self.operations) ** self.num_layers * 2 ** (self.num_layers * (self.num_layers - 1) // 2))

    @property
    def max_suggestion_bytes(self) -> int:
        """No suggestion is longer."""
        # Digits and marks around them: of a join 3, of a row and its choice 14, of the rest of an entry below 100.
        longest = max(_text_bytes(operation) for operation in self.operations)
        return 3 * self.num_layers**2 // 2 + self.num_layers * (longest + 120) + 500

    def draw(self, random: np.random.Generator) -> Decisions:
        """Draw an architecture, each as likely as any other."""
        shape = (self.num_layers, self.num_layers)
        return Decisions(
            choices_l=random.integers(len(self.operations), size=self.num_layers, dtype=np.int32),
            joins_lk=random.integers(2, size=shape).astype(np.bool_) & np.tri(self.num_layers, k=-1, dtype=np.bool_),
        )

    def architecture(self, decisions: Decisions) -> str:
        """Write decisions as the text of the assignment ``architecture``."""
        rows = zip(decisions.choices_l.tolist(), decisions.joins_lk.astype(int).tolist(), strict=True)
        return assignment.encode([[choice, *joins[:layer]] for layer, (choice, joins) in enumerate(rows)])

    def nn_config(self, decisions: Decisions) -> str:
        """Write what the operations of an architecture are, as the text of the assignment ``nn_config``."""
        embedding = {
            str(choice): {
                "opt_id": choice,
                "opt_type": self.operations[choice].type,
                "opt_params": dict(self.operations[choice].parameters),
            }
            for choice in dict.fromkeys(decisions.choices_l.tolist())
        }
        return assignment.encode(
            {
                "num_layers": self.num_layers,
                "input_sizes": self.input_sizes,
                "output_sizes": self.output_sizes,
                "embedding": embedding,
            }
        )

    def decisions(self, architecture: str) -> Decisions:
        """Read decisions back from the text of the assignment ``architecture``.

        Raises:
            MalformedArchitecture: the text is no architecture, or one of another search space.
        """
        try:
            rows = assignment.decode(architecture)
        except assignment.MalformedAssignment as error:
            raise MalformedArchitecture(str(error)) from error
        if not isinstance(rows, list) or len(rows) != self.num_layers:
            raise MalformedArchitecture(f"expected a list of {self.num_layers} rows")
        for layer, row in enumerate(rows):
            self._check_row(row, layer)
        joins_lk = np.zeros((self.num_layers, self.num_layers), dtype=np.bool_)
        for layer, (_, *joins) in enumerate(rows):
            joins_lk[layer, :layer] = joins
        return Decisions(choices_l=np.array([row[0] for row in rows], dtype=np.int32), joins_lk=joins_lk)

    def _check_row(self, row: object, layer: int) -> None:
        if not isinstance(row, list) or any(type(value) is not int for value in row):
            raise MalformedArchitecture(f"row {layer + 1}: expected a list of integers, not {row!r:.200}")
        if len(row) != layer + 1:
            raise MalformedArchitecture(f"row {layer + 1}: expected {layer + 1} integers, not {len(row)}")
        if not 0 <= row[0] < len(self.operations):
            raise MalformedArchitecture(f"row {layer + 1}: there is no operation {row[0]}")
        if not set(row[1:]) <= {0, 1}:
            raise MalformedArchitecture(f"row {layer + 1}: the bits must be 0 or 1, not {row[1:]}")


def stacked(decisions: Sequence[Decisions]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Choices (N, L) and joins (N, L, L) of architectures."""
    return np.stack([one.choices_l for one in decisions]), np.stack([one.joins_lk for one in decisions])


def _text_bytes(operation: OperationChoice) -> int:
    texts = [operation.type, *(f"{name}{value}" for name, value in operation.parameters)]
    return sum(len(text.encode()) + 10 for text in texts)


def _expand(operations: Sequence[Operation], limits: EnasLimits) -> tuple[OperationChoice, ...]:
    """Every operation with every combination of its parameters' values; the last parameter varies fastest."""
    if not operations:
        raise InvalidExperiment("nasConfig.operations", [], "a search needs at least one operation")
    choices: list[OperationChoice] = []
    for index, operation in enumerate(operations):
        where = f"nasConfig.operations[{index}]"
        feasible_space.check_text(operation.type, f"{where}.operationType")
        spaces = feasible_space.parameters(operation, where, limits)
        total = len(choices) + math.prod(len(values) for values in spaces.values())
        if total > limits.max_operations:
            raise InvalidExperiment(where, total, limits.allowed("max_operations"))
        choices += [
            OperationChoice(operation.type, tuple(zip(spaces, values, strict=True)))
            for values in itertools.product(*spaces.values())
        ]
    return tuple(choices)
