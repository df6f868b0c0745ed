"""An architecture as a picture: a box for each layer of the network, lines for what feeds it."""

import contextlib
from dataclasses import asdict
from typing import TypeAlias

from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import config, foreign
from enas_trainer.macro.config import Architecture, NetworkConfig
from enas_trainer.macro.foreign import ForeignNetwork, ForeignOperation
from enas_trainer.macro.operation_types import TYPES, Operation, Reduction
from katib_local.drawing import svg
from katib_local.drawing.layered_layout import Box, lay_out

AnyNetwork: TypeAlias = NetworkConfig | ForeignNetwork
AnyOperation: TypeAlias = Operation | ForeignOperation


def read(architecture: str, nn_config: str) -> tuple[Architecture, AnyNetwork]:
    """Read both texts of a trial, whoever's trainer they are for.

    Raises:
        InvalidNetwork: they are none; as the ENAS trainer says it.
    """
    try:
        return config.read(architecture, nn_config)
    except InvalidNetwork:
        with contextlib.suppress(InvalidNetwork):
            return foreign.read(architecture, nn_config)
        raise


def draw(architecture: Architecture, network: AnyNetwork) -> str:
    """Return the text of an SVG file."""
    layers = range(1, architecture.num_layers + 1)
    operations = [network.embedding[architecture.operation(layer)] for layer in layers]
    size = size_in_words(network)
    boxes = [
        Box(
            lines=("input", size),
            kind="input",
            title=f"layer 0, the input{' image' if len(network.input_sizes) == 3 else ''} of {size}",
        )
    ]
    edges = []
    for layer, operation in zip(layers, operations, strict=True):
        title = f"layer {layer}: {in_words(operation)}, of {sources_in_words(architecture, layer)}"
        boxes.append(
            Box(lines=(f"{layer} {_type(operation)}", _parameters(operation)), kind=_kind(operation), title=title)
        )
        edges += [(source, layer) for source in sorted(architecture.sources(layer))]
    classes = f"{network.num_classes} classes"
    boxes.append(Box(lines=("output", classes), kind="output", title=f"the output, {classes}"))
    edges.append((architecture.num_layers, len(boxes) - 1))
    heading = facts(architecture)
    return svg.page(
        {heading: lay_out(boxes, edges)},
        title=f"An architecture of {heading}",
        description=". ".join(box.title[0].upper() + box.title[1:] for box in boxes) + ".",
    )


def facts(architecture: Architecture) -> str:
    """Say how much of what an architecture has."""
    joins = sum(sum(row[1:]) for row in architecture.rows)
    counts = {"layer": architecture.num_layers, "join": joins}
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def size_in_words(network: AnyNetwork) -> str:
    """Say how large an image is or, where it is none, its sizes."""
    if len(network.input_sizes) != 3:
        return "x".join(map(str, network.input_sizes))
    height, width, channels = network.input_sizes
    return f"{height}x{width}, {channels} channel{'' if channels == 1 else 's'}"


def in_words(operation: AnyOperation) -> str:
    """Say an operation with its parameters."""
    return f"{_type(operation)} {_parameters(operation)}".strip()


def sources_in_words(architecture: Architecture, layer: int) -> str:
    """Say what feeds a layer, the layer before it first."""
    return ", ".join("the input" if source == 0 else f"layer {source}" for source in architecture.sources(layer))


def _type(operation: AnyOperation) -> str:
    if isinstance(operation, ForeignOperation):
        return operation.type.replace("_", " ")
    if isinstance(operation, Reduction):
        return operation.reduction_type.replace("_", " ")
    return next(name for name, kind in TYPES.items() if isinstance(operation, kind)).replace("_", " ")


def _kind(operation: AnyOperation) -> str:
    return "foreign" if isinstance(operation, ForeignOperation) else _type(operation).replace(" ", "_")


def _parameters(operation: AnyOperation) -> str:
    """The parameters in the order of their usual notation, those that change nothing left out."""
    if isinstance(operation, ForeignOperation):
        return ", ".join(f"{name} {value}" for name, value in operation.parameters)
    values = asdict(operation)
    size = values.get("filter_size", values.get("pool_size"))
    parts = [f"{size}x{size}"]
    if "num_filter" in values:
        parts.append(f"{values['num_filter']} filters")
    if values.get("depth_multiplier", 1) > 1:
        parts.append(f"multiplier {values['depth_multiplier']}")
    if values.get("stride", 1) > 1:
        parts.append(f"stride {values['stride']}")
    return ", ".join(parts)
