"""Where the boxes and lines of a cell's picture go: from the inputs at the left to the output at the right.

An operation is a box of its own between the node that it comes from and the node that it goes to, so that a label never
lies on a line.
"""

from collections.abc import Sequence

from darts_genotype.genotype import NUM_INPUTS, Cell
from darts_genotype.recurrent import RecurrentGenotype
from katib_local.drawing import layered_layout
from katib_local.drawing.layered_layout import Box, Picture

_INPUTS = (
    Box(lines=("node 0", "before previous"), kind="input", title="node 0, the cell before the previous one"),
    Box(lines=("node 1", "previous cell"), kind="input", title="node 1, the previous cell"),
)


def lay_out(cell: Cell, concat: Sequence[int]) -> Picture:
    """Find places for a cell of at least one node, whose output concatenates some nodes."""
    return layered_layout.lay_out(*_graph(cell, concat))


def lay_out_recurrent(genotype: RecurrentGenotype) -> Picture:
    """Find places for a recurrent cell: a node has one operation, which stands in its box."""
    boxes = [Box(lines=("node 0", "x and h"), kind="input", title="node 0, of the input and of the output before")]
    edges = []
    for index, (operation, source) in enumerate(genotype.recurrent, start=1):
        title = f"node {index}, {operation} of node {source}"
        boxes.append(Box(lines=(f"node {index}", operation), kind=operation, title=title))
        edges.append((source, index))
    output = len(boxes)
    boxes.append(Box(lines=("output",), kind="output", title="output, the mean of what leads to it"))
    edges += ((node, output) for node in genotype.concat)
    return layered_layout.lay_out(boxes, edges)


def _graph(cell: Cell, concat: Sequence[int]) -> tuple[list[Box], list[tuple[int, int]]]:
    """The boxes, nodes, then the output and the operations, and which leads to which. An unused input has none."""
    leading = {edge.source for node in cell for edge in node} | {*concat}
    nodes = {number: box for number, box in enumerate(_INPUTS) if number in leading}
    for index in range(NUM_INPUTS, NUM_INPUTS + len(cell)):
        nodes[index] = Box(lines=(f"node {index}",), kind="node", title=f"node {index}, the sum of what leads to it")
    place = {number: place for place, number in enumerate(nodes)}
    boxes = [*nodes.values()]
    output = len(boxes)
    boxes.append(Box(lines=("output",), kind="output", title="output, the concatenation of what leads to it"))
    edges = []
    for index, node in enumerate(cell, start=NUM_INPUTS):
        for operation, source in node:
            title = f"{operation} of node {source}, to node {index}"
            edges += [(place[source], len(boxes)), (len(boxes), place[index])]
            boxes.append(Box(lines=_label(operation), kind=operation, title=title))
        if index in concat:
            edges.append((place[index], output))
    edges += ((place[number], output) for number in concat if number < NUM_INPUTS)
    return boxes, edges


def _label(operation: str) -> tuple[str, ...]:
    first, rest = operation.split("_", 1)
    return first, rest.replace("_", " ")
