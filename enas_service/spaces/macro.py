"""Macro architectures: layers, each with an operation and joins to any of the layers before it.

Decisions are the operation of each layer, and then a bit for each earlier source of each layer, layer by layer.

Shape suffixes: l layer, k source of a join (0 is the input image, k > 0 is layer k of 1 … L), m operation, p trait of
the operations; n and d as in `enas_service.decisions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from enas_service.decisions import Decisions
from enas_service.limits import DEFAULT, EnasLimits
from enas_service.spaces.operations import OperationChoice, expanded, traits
from enas_service.spaces.space import MAX_SUGGESTION_BYTES, Attribute, ForeignAssignments
from enas_service.spaces.traits import Trait
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Experiment
from katib_suggestion.parsing import assignment

MAX_SIZES = 10
"""Most numbers in the size of an input or an output; an image has three."""


@dataclass(frozen=True, kw_only=True)  # without slots, for what is computed once
class MacroSpace:
    """All macro architectures of an experiment: L layers, m operations, and every join to an earlier layer."""

    num_layers: int
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    operations: tuple[OperationChoice, ...]

    @classmethod
    def of(cls, experiment: Experiment, limits: EnasLimits = DEFAULT) -> "MacroSpace":
        """Expand the operations of an experiment.

        Raises:
            InvalidExperiment: a size, an operation or a feasible space is none of what is allowed.
        """
        graph = "nasConfig.graphConfig"
        faults = Faults()
        with faults.noted():
            if experiment.num_layers < 1:
                raise InvalidExperiment(f"{graph}.numLayers", experiment.num_layers, "it must be an integer >= 1")
            if experiment.num_layers > limits.max_layers:
                raise InvalidExperiment(f"{graph}.numLayers", experiment.num_layers, limits.allowed("max_layers"))
        for name, sizes in (("inputSizes", experiment.input_sizes), ("outputSizes", experiment.output_sizes)):
            with faults.noted():
                if not 1 <= len(sizes) <= MAX_SIZES or min(sizes) < 1:
                    allowed = f"it must list integers >= 1, up to {MAX_SIZES} of them"
                    raise InvalidExperiment(f"{graph}.{name}", list(sizes), allowed)
        with faults.noted():
            operations = expanded(experiment.operations, limits)
        faults.raise_noted()
        space = cls(
            num_layers=experiment.num_layers,
            input_sizes=experiment.input_sizes,
            output_sizes=experiment.output_sizes,
            operations=operations,
        )
        if space.max_suggestion_bytes > MAX_SUGGESTION_BYTES:
            allowed = f"a suggestion may be {MAX_SUGGESTION_BYTES} bytes long: have fewer layers or shorter texts"
            raise InvalidExperiment(space.where, f"{space.max_suggestion_bytes} bytes", allowed)
        return space

    @property
    def where(self) -> str:
        """The part of an Experiment that says it."""
        return "nasConfig"

    @property
    def summary(self) -> str:
        """How large it is in a few words."""
        return f"{self.num_layers} layers, {len(self.operations)} operations"

    @property
    def notes(self) -> tuple[str, ...]:
        """The Experiment says all of it."""
        return ()

    @property
    def counts(self) -> tuple[int, ...]:
        """(D,) how many options each decision has."""
        return (len(self.operations),) * self.num_layers + (2,) * self.num_bits

    @property
    def num_bits(self) -> int:
        """Places for a join."""
        return self.num_layers * (self.num_layers - 1) // 2

    @property
    def size(self) -> int:
        """How many architectures there are."""
        return int(len(self.operations) ** self.num_layers * 2**self.num_bits)

    @property
    def max_suggestion_bytes(self) -> int:
        """No suggestion is longer."""
        # Digits and marks around them: of a join 3, of a row and its choice 14, of the rest of an entry below 100.
        longest = max(operation.num_bytes for operation in self.operations)
        return 3 * self.num_layers**2 // 2 + self.num_layers * (longest + 120) + 500

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """(A,) the traits of each layer's operation, and then each join."""
        of_operations = [
            Attribute(
                name=f"layer {layer}: {trait.kind}",
                kind=trait.kind,
                values=trait.values,
                is_ordered=trait.is_ordered,
                decision=layer - 1,
            )
            for layer in range(1, self.num_layers + 1)
            for trait in self._traits
        ]
        joins = [
            Attribute(
                name=f"layer {layer + 1}: join {source}",
                kind="join",
                values=("0", "1"),
                is_ordered=True,
                decision=self.num_layers + place,
            )
            for place, (layer, source) in enumerate(np.argwhere(self._earlier_lk).tolist())
        ]
        return (*of_operations, *joins)

    def described(self, decisions_nd: Decisions) -> NDArray[np.int32]:
        """(N, A), the place of each attribute's value among its values."""
        choices_nl, joins_nj = np.split(decisions_nd, [self.num_layers], axis=1)
        traits_nlp = self._places_mp[choices_nl]
        return np.concatenate([traits_nlp.reshape(len(decisions_nd), self.num_layers * len(self._traits)), joins_nj], 1)

    def draw(self, random: np.random.Generator) -> Decisions:
        """Draw an architecture, each as likely as any other."""
        choices_l = random.integers(len(self.operations), size=self.num_layers, dtype=np.int32)
        joins_lk = random.integers(2, size=(self.num_layers, self.num_layers))
        return self._decisions(choices_l, joins_lk)

    def read(self, assignments: Mapping[str, str]) -> Decisions:
        """Read the assignment ``architecture``.

        Raises:
            ForeignAssignments: it is missing, no architecture, or one of another search space.
        """
        try:
            rows = assignment.decode(assignments.get("architecture", ""))
        except assignment.MalformedAssignment as error:
            raise ForeignAssignments(str(error)) from error
        if not isinstance(rows, list) or len(rows) != self.num_layers:
            raise ForeignAssignments(f"expected a list of {self.num_layers} rows")
        for layer, row in enumerate(rows):
            self._check_row(row, layer)
        return np.array([row[0] for row in rows] + [bit for row in rows for bit in row[1:]], dtype=np.int32)

    def write(self, decisions_d: Decisions) -> dict[str, str]:
        """Write an architecture, and what its operations are."""
        choices = decisions_d[: self.num_layers].tolist()
        rows = zip(choices, self._joins(decisions_d).astype(int).tolist(), strict=True)
        embedding: dict[str, assignment.JSON] = {
            str(choice): {
                "opt_id": choice,
                "opt_type": self.operations[choice].type,
                "opt_params": dict(self.operations[choice].parameters),
            }
            for choice in dict.fromkeys(choices)
        }
        config: assignment.JSON = {
            "num_layers": self.num_layers,
            "input_sizes": self.input_sizes,
            "output_sizes": self.output_sizes,
            "embedding": embedding,
        }
        architecture = [[choice, *joins[:layer]] for layer, (choice, joins) in enumerate(rows)]
        return {"architecture": assignment.encode(architecture), "nn_config": assignment.encode(config)}

    def key(self, decisions_d: Decisions) -> bytes:
        """Equal for equal decisions, and for no others of this space."""
        choices_l = decisions_d[: self.num_layers].astype(np.int32)
        return choices_l.tobytes() + np.packbits(self._joins(decisions_d)).tobytes()

    def of_key(self, key: bytes) -> Decisions:
        """Read `key` back.

        Raises:
            ValueError: it is no key of this space.
        """
        size = self.num_layers * np.dtype(np.int32).itemsize
        choices_l = np.frombuffer(key[:size], dtype=np.int32)
        bits = np.unpackbits(np.frombuffer(key[size:], dtype=np.uint8), count=self.num_layers**2)
        decisions_d = self._decisions(choices_l, bits.reshape(self.num_layers, self.num_layers))
        if self.key(decisions_d) != key or not np.all((choices_l >= 0) & (choices_l < len(self.operations))):
            raise ValueError(f"no key of {self.summary}")
        return decisions_d

    @cached_property
    def _traits(self) -> list[Trait]:
        return traits(self.operations)

    @cached_property
    def _places_mp(self) -> NDArray[np.int32]:
        places = [trait.place_m for trait in self._traits]
        return np.array(places, dtype=np.int32).reshape(len(places), len(self.operations)).T

    @property
    def _earlier_lk(self) -> NDArray[np.bool_]:
        """Where source k stands before layer l."""
        return np.tri(self.num_layers, k=-1, dtype=np.bool_)

    def _decisions(self, choices_l: NDArray[np.int32], joins_lk: NDArray[np.integer]) -> Decisions:
        return np.concatenate([choices_l, joins_lk[self._earlier_lk]]).astype(np.int32)

    def _joins(self, decisions_d: Decisions) -> NDArray[np.bool_]:
        """(L, L), whether source k joins the layer of row l; false for k >= l."""
        joins_lk = np.zeros((self.num_layers, self.num_layers), dtype=np.bool_)
        joins_lk[self._earlier_lk] = decisions_d[self.num_layers :]
        return joins_lk

    def _check_row(self, row: object, layer: int) -> None:
        if not isinstance(row, list) or any(type(value) is not int for value in row):
            raise ForeignAssignments(f"row {layer + 1}: expected a list of integers, not {row!r:.200}")
        if len(row) != layer + 1:
            raise ForeignAssignments(f"row {layer + 1}: expected {layer + 1} integers, not {len(row)}")
        if not 0 <= row[0] < len(self.operations):
            raise ForeignAssignments(f"row {layer + 1}: there is no operation {row[0]}")
        if not set(row[1:]) <= {0, 1}:
            raise ForeignAssignments(f"row {layer + 1}: the bits must be 0 or 1, not {row[1:]}")
