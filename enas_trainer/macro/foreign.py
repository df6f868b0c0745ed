"""Architectures for trainers of somebody else's, whose operations and sizes are whatever they are: to be shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from enas_trainer.architecture import fields, sizes
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import config
from enas_trainer.macro.config import Architecture
from katib_suggestion.errors import escaped
from katib_suggestion.parsing.assignment import JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignOperation:
    """An operation that nothing here can build."""

    type: str
    """As on the wire."""
    parameters: tuple[tuple[str, str], ...]
    """Names and values, as texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignNetwork:
    """What `config.NetworkConfig` says, of any sizes and operations."""

    num_layers: int
    input_sizes: tuple[int, ...]
    output_sizes: tuple[int, ...]
    embedding: Mapping[int, ForeignOperation]

    @property
    def num_classes(self) -> int:
        """Outputs of the network."""
        return self.output_sizes[-1]


def read(architecture: str, nn_config: str) -> tuple[Architecture, ForeignNetwork]:
    """Read both texts of a trial; see `config.read`.

    Raises:
        InvalidNetwork: they are not in the form in which the service writes them.
    """
    names = ("num_layers", "input_sizes", "output_sizes", "embedding")
    values = fields.mapping(fields.parse(nn_config, "nn_config"), "nn_config", names)
    entries = fields.any_mapping(values["embedding"], "nn_config.embedding")
    network = ForeignNetwork(
        num_layers=fields.integer(values["num_layers"], "nn_config.num_layers"),
        input_sizes=sizes.listed(values["input_sizes"], "nn_config.input_sizes"),
        output_sizes=sizes.listed(values["output_sizes"], "nn_config.output_sizes"),
        embedding=MappingProxyType(dict(_entry(key, entry) for key, entry in entries.items())),
    )
    return config.read_rows(fields.parse(architecture, "architecture"), network), network


def _entry(key: str, value: JSON) -> tuple[int, ForeignOperation]:
    where = f"nn_config.embedding.{key}"
    if not re.fullmatch(r"\d{1,9}", key, re.ASCII):
        raise InvalidNetwork(where, key, "the name of an entry must be the id of an operation, a whole number from 0")
    entry = fields.mapping(value, where, ("opt_id", "opt_type", "opt_params"))
    if not isinstance(entry["opt_type"], str):
        raise InvalidNetwork(f"{where}.opt_type", entry["opt_type"], "it must be a text")
    parameters = fields.any_mapping(entry["opt_params"], f"{where}.opt_params")
    # They are for pictures and terminals.
    texts = tuple((escaped(name), escaped(str(parameter))) for name, parameter in parameters.items())
    return int(key), ForeignOperation(type=escaped(entry["opt_type"]), parameters=texts)
