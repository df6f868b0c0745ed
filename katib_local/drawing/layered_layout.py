"""Where the boxes and lines of a picture go: in columns, from what comes first at the left to what comes last.

A line that passes other columns goes through places that the layout keeps free of boxes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fast_sugiyama import from_edges

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
    """A thing with a label."""

    lines: tuple[str, ...]
    """Its label."""
    kind: str
    """``input``, ``node``, ``output``, or an operation's name: decides how the box looks."""
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
    """Boxes and lines, laid out; the boxes lie between 0 and the width and the height."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def lay_out(boxes: Sequence[Box], edges: Sequence[tuple[int, int]]) -> Picture:
    """Find places for boxes.

    Args:
        boxes: at least two.
        edges: which box, by its place in the sequence, leads to which; without circles, and all of one piece.
    """
    ((positions, _, _, routed),) = from_edges(
        list(edges),
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
    placed = [replace(box, x=sum(columns[column_of[place]]) / 2, y=y_of[place]) for place, box in enumerate(boxes)]
    lines = []
    for route in _routes([(int(start), int(end)) for start, end in routed], len(boxes)):
        points = [(side, y_of[place]) for place in route for side in columns[column_of[place]]]
        first, last = placed[route[0]], placed[route[-1]]
        points[0] = (first.x + first.width / 2, first.y)
        points[-1] = (last.x - last.width / 2, last.y)
        lines.append(Line(points=tuple(points)))
    height = max(y_of.values()) + _BOX_HEIGHT / 2
    return Picture(boxes=tuple(placed), lines=tuple(lines), width=columns[-1][1], height=height)


def _columns(boxes: Sequence[Box], column_of: dict[int, int]) -> list[tuple[float, float]]:
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
