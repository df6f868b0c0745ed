"""An architecture as a picture: a box for each layer of the network, lines for what feeds it."""

from dataclasses import asdict

from enas_trainer.macro.config import Architecture, NetworkConfig
from enas_trainer.macro.operation_types import TYPES, Operation, Reduction
from katib_local.drawing import svg
from katib_local.drawing.layered_layout import Box, lay_out


def draw(architecture: Architecture, network: NetworkConfig) -> str:
    """Return the text of an SVG file."""
    layers = range(1, architecture.num_layers + 1)
    operations = [network.embedding[architecture.operation(layer)] for layer in layers]
    size = size_in_words(network)
    boxes = [Box(lines=("input", size), kind="input", title=f"layer 0, the input image of {size}")]
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


def size_in_words(network: NetworkConfig) -> str:
    """Say how large an image is."""
    height, width, channels = network.input_sizes
    return f"{height}x{width}, {channels} channel{'' if channels == 1 else 's'}"


def in_words(operation: Operation) -> str:
    """Say an operation with its parameters."""
    return f"{_type(operation)} {_parameters(operation)}"


def sources_in_words(architecture: Architecture, layer: int) -> str:
    """Say what feeds a layer, the layer before it first."""
    return ", ".join("the input" if source == 0 else f"layer {source}" for source in architecture.sources(layer))


def _type(operation: Operation) -> str:
    if isinstance(operation, Reduction):
        return operation.reduction_type.replace("_", " ")
    return next(name for name, kind in TYPES.items() if isinstance(operation, kind)).replace("_", " ")


def _kind(operation: Operation) -> str:
    return _type(operation).replace(" ", "_")


def _parameters(operation: Operation) -> str:
    """The parameters in the order of their usual notation, those that change nothing left out."""
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
