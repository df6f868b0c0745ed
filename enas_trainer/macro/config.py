"""A trial's two texts, ``architecture`` and ``nn_config``, as checked and typed values.

The format is Katib's: of n layers, row l (from 1) holds the id of an operation, then a bit for each of the layers 0 to
l-2 that says whether it is joined to layer l as well; layer 0 is the input image, and layer l-1 always feeds layer l.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Protocol

from enas_trainer.architecture import fields, sizes
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import operation_types
from enas_trainer.macro.operation_types import Convolution, Operation, SeparableConvolution
from katib_suggestion.parsing.assignment import JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """Which operation each layer has, and which earlier layers feed it."""

    rows: tuple[tuple[int, ...], ...]
    """As on the wire: ``assignment.encode(rows)`` is the text that it was read from."""

    @property
    def num_layers(self) -> int:
        """Layers, the input image not counted."""
        return len(self.rows)

    def operation(self, layer: int) -> int:
        """Id of the operation of a layer, counted from 1."""
        return self.rows[layer - 1][0]

    def sources(self, layer: int) -> tuple[int, ...]:
        """Layers that feed a layer, counted from 1: the one before it, then the joined ones from the image (0) on."""
        bits = self.rows[layer - 1][1:]
        return (layer - 1, *(source for source, bit in enumerate(bits) if bit))


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Sizes of a network, and what the ids of its architecture mean."""

    num_layers: int
    """Layers, the input image not counted."""
    input_sizes: tuple[int, int, int]
    """Height, width and channels of an image."""
    output_sizes: tuple[int, ...]
    """The last one is the number of classes."""
    embedding: Mapping[int, Operation]
    """Operations by id; there may be more than the architecture uses."""

    @property
    def num_classes(self) -> int:
        """Outputs of the network."""
        return self.output_sizes[-1]

    def document(self) -> dict[str, JSON]:
        """Return the configuration as `read_nn_config` reads it."""
        return {
            "num_layers": self.num_layers,
            "input_sizes": list(self.input_sizes),
            "output_sizes": list(self.output_sizes),
            "embedding": {
                str(opt_id): {"opt_id": opt_id, "opt_type": operation_types.name_of(one), "opt_params": asdict(one)}
                for opt_id, one in self.embedding.items()
            },
        }

    def widened(self, factor: float) -> "NetworkConfig":
        """Return a network whose convolutions have so many times as many filters, one at least."""
        return replace(
            self, embedding=MappingProxyType({opt_id: _widened(one, factor) for opt_id, one in self.embedding.items()})
        )

    def check_data(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        """Compare the sizes with a data set's.

        Args:
            image_shape: (C, H, W).
            num_classes: labels are below it.

        Raises:
            InvalidNetwork: the images have other sizes, or more classes than the network has outputs.
        """
        sizes.check_images(self.input_sizes, self.output_sizes, image_shape, num_classes)


@dataclass(frozen=True, kw_only=True, slots=True)
class LayeredNetwork:
    """All that a trial's texts say of a network of layers."""

    architecture: Architecture
    """Operations and joins."""
    config: NetworkConfig
    """Sizes and operations."""

    @property
    def num_layers(self) -> int:
        """Layers, the input image not counted."""
        return self.config.num_layers

    def check_data(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        """See `NetworkConfig.check_data`."""
        self.config.check_data(image_shape, num_classes)


class Layered(Protocol):
    """What rows are checked against."""

    @property
    def num_layers(self) -> int:
        """Layers, the input not counted."""

    @property
    def embedding(self) -> Mapping[int, object]:
        """Operations by id."""


def read(architecture: str, nn_config: str) -> tuple[Architecture, NetworkConfig]:
    """Read both texts of a trial and check one against the other.

    Args:
        architecture: rows, as JSON.
        nn_config: sizes and embedding, as JSON in Katib's single quotes or in double ones. With both, literal double
            quotes may stand around the whole, as they do where no shell has taken them off.

    Raises:
        InvalidNetwork: what is wrong, and in which row or under which name.
    """
    config = read_nn_config(nn_config)
    return read_rows(fields.parse(architecture, "architecture"), config), config


def read_rows(value: JSON, config: Layered) -> Architecture:
    """Read the rows of an architecture.

    Raises:
        InvalidNetwork: what is wrong, and in which row.
    """
    rows = fields.sequence(value, "architecture")
    if len(rows) != config.num_layers:
        raise InvalidNetwork("nn_config.num_layers", config.num_layers, f"the architecture has {len(rows)} rows")
    return Architecture(rows=tuple(_row(row, layer, config) for layer, row in enumerate(rows, start=1)))


def read_nn_config(text: str) -> NetworkConfig:
    """Read the configuration of a network.

    Raises:
        InvalidNetwork: what is wrong, and under which name.
    """
    names = ("num_layers", "input_sizes", "output_sizes", "embedding")
    values = fields.mapping(fields.parse(text, "nn_config"), "nn_config", names)
    entries = fields.any_mapping(values["embedding"], "nn_config.embedding")
    return NetworkConfig(
        num_layers=fields.integer(values["num_layers"], "nn_config.num_layers"),
        input_sizes=sizes.of_image(values["input_sizes"]),
        output_sizes=sizes.listed(values["output_sizes"], "nn_config.output_sizes"),
        embedding=MappingProxyType(dict(_entry(key, entry) for key, entry in entries.items())),
    )


def _widened(operation: Operation, factor: float) -> Operation:
    if not isinstance(operation, Convolution | SeparableConvolution):
        return operation  # the others have as many channels as their input
    return replace(operation, num_filter=max(1, round(operation.num_filter * factor)))


def _entry(key: str, value: JSON) -> tuple[int, Operation]:
    where = f"nn_config.embedding.{key}"
    if not re.fullmatch(r"0|[1-9]\d{0,8}", key, re.ASCII):
        raise InvalidNetwork(where, key, "the name of an entry must be the id of an operation, a whole number from 0")
    entry = fields.mapping(value, where, ("opt_id", "opt_type", "opt_params"))
    if fields.integer(entry["opt_id"], f"{where}.opt_id", minimum=0) != int(key):
        raise InvalidNetwork(f"{where}.opt_id", entry["opt_id"], f"it must be the name of the entry, {key}")
    return int(key), operation_types.read(entry["opt_type"], entry["opt_params"], where)


def _row(value: JSON, layer: int, config: Layered) -> tuple[int, ...]:
    where = f"architecture row {layer}"
    row = fields.sequence(value, where)
    if len(row) != layer:
        raise InvalidNetwork(where, row, f"it must have {layer} numbers: an operation, then {layer - 1} bits")
    operation, *bits = row
    # Here a number is a number: what is read must be printed back unchanged.
    if type(operation) is not int or operation not in config.embedding:
        known = ", ".join(map(str, sorted(config.embedding))) or "none"
        raise InvalidNetwork(f"{where}, operation", operation, f"it must be an id of nn_config.embedding: {known}")
    checked = [operation]
    for index, bit in enumerate(bits):
        if type(bit) is not int or bit not in (0, 1):
            raise InvalidNetwork(f"{where}, bit {index}", bit, "it must be 0 or 1")
        checked.append(bit)
    return tuple(checked)
