"""Where the boxes and lines of a cell's picture go: in layers, from the inputs at the left to the output at the right.

An operation is a box of its own between the node that it comes from and the node that it goes to, so that a label never
lies on a line. A line that passes other layers goes through places that the layout keeps free of boxes.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fast_sugiyama import from_edges

from darts_genotype.genotype import NUM_INPUTS, Cell

FONT_SIZE = 13
"""Of all labels, in the picture's units, which are pixels at 100 %."""

LINE_HEIGHT = 17
_CHARACTER = 0.65 * FONT_SIZE
"""Fonts of fixed width are 0.55 to 0.62 of their size wide; the rest is for what nobody has measured."""

_PADDING = 12
_BOX_HEIGHT = 2 * LINE_HEIGHT + 10
_ROW = 64
"""From the middle of a box to that of the next one below it."""

_COLUMN_GAP = 64
_SPACING = 10
"""What the layout's own units call a row."""

_THIN = 0.2
"""Height that the layout gives a line that passes, as a share of a box's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A node or an operation."""

    lines: tuple[str, ...]
    """Its label."""
    kind: str
    """``input``, ``node``, ``output``, or the operation's name."""
    title: str
    """The same in words."""
    x: float = 0.0
    """Of its middle."""
    y: float = 0.0
    """Of its middle, downwards."""

    @property
    def width(self) -> float:
        """Wide enough for its label in any usual font of fixed width."""
        return max(map(len, self.lines)) * _CHARACTER + 2 * _PADDING

    @property
    def height(self) -> float:
        """Two lines and some air."""
        return _BOX_HEIGHT


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """An arrow between two boxes: places from left to right, level through each column and free between columns."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A cell, laid out; its boxes lie between 0 and the width and the height."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def lay_out(cell: Cell) -> Picture:
    """Find places for a cell of at least one node."""
    boxes, edges = _graph(cell)
    ((positions, _, _, routed),) = from_edges(
        edges,
        vertex_spacing=_SPACING,
        dummy_vertices=True,
        dummy_size=_THIN,
        ranking_type="minimize",
        crossing_minimization="barycenter",
        transpose=True,
    )
    assert routed is not None
    # The layout goes from the top down, and its own y upwards.
    top = max(y for _, (_, y) in positions)
    column_of = {int(place): round((top - y) / _SPACING) for place, (_, y) in positions}
    lowest = min(x for _, (x, _) in positions)
    y_of = {int(place): (x - lowest) / _SPACING * _ROW + _BOX_HEIGHT / 2 for place, (x, _) in positions}
    columns = _columns(boxes, column_of)
    placed = [
        Box(lines=box.lines, kind=box.kind, title=box.title, x=sum(columns[column_of[place]]) / 2, y=y_of[place])
        for place, box in enumerate(boxes)
    ]
    lines = []
    for route in _routes([(int(start), int(end)) for start, end in routed], len(boxes)):
        points = [(side, y_of[place]) for place in route for side in columns[column_of[place]]]
        first, last = placed[route[0]], placed[route[-1]]
        points[0] = (first.x + first.width / 2, first.y)
        points[-1] = (last.x - last.width / 2, last.y)
        lines.append(Line(points=tuple(points)))
    height = max(y_of.values()) + _BOX_HEIGHT / 2
    return Picture(boxes=tuple(placed), lines=tuple(lines), width=columns[-1][1], height=height)


def _graph(cell: Cell) -> tuple[list[Box], list[tuple[int, int]]]:
    """The boxes, nodes by their numbers and then the output and the operations, and which leads to which."""
    boxes = [
        Box(lines=("node 0", "before previous"), kind="input", title="node 0, the cell before the previous one"),
        Box(lines=("node 1", "previous cell"), kind="input", title="node 1, the previous cell"),
    ]
    boxes += (
        Box(lines=(f"node {index}",), kind="node", title=f"node {index}, the sum of what leads to it")
        for index in range(NUM_INPUTS, NUM_INPUTS + len(cell))
    )
    output = len(boxes)
    boxes.append(Box(lines=("output",), kind="output", title="output, the concatenation of what leads to it"))
    edges = []
    for index, node in enumerate(cell, start=NUM_INPUTS):
        for operation, source in node:
            title = f"{operation} of node {source}, to node {index}"
            edges += [(source, len(boxes)), (len(boxes), index)]
            boxes.append(Box(lines=_label(operation), kind=operation, title=title))
        edges.append((index, output))
    return boxes, edges


def _label(operation: str) -> tuple[str, ...]:
    first, rest = operation.split("_", 1)
    return first, rest.replace("_", " ")


def _columns(boxes: list[Box], column_of: dict[int, int]) -> list[tuple[float, float]]:
    """Left and right side of each column, as wide as its widest box."""
    widths: dict[int, float] = defaultdict(float)
    for place, box in enumerate(boxes):
        widths[column_of[place]] = max(widths[column_of[place]], box.width)
    sides = []
    left = 0.0
    for column in range(max(column_of.values()) + 1):
        sides.append((left, left + widths[column]))
        left = sides[-1][1] + _COLUMN_GAP
    return sides


def _routes(routed: list[tuple[int, int]], num_boxes: int) -> Iterator[list[int]]:
    """Each line as the places that it goes through; those from num_boxes on are no boxes, and only one line's."""
    onward = {start: end for start, end in routed if start >= num_boxes}
    for start, end in routed:
        if start < num_boxes:
            route = [start, end]
            while route[-1] >= num_boxes:
                route.append(onward[route[-1]])
            yield route
