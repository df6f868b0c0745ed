"""Pictures of boxes and lines as SVG, on a background of their own, so that they are legible on any page."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from katib_local.drawing.layered_layout import FONT_SIZE, LINE_HEIGHT, Box, Line, Picture

_MARGIN = 28
_HEADING = 40
_HEADING_SIZE = 17
_MIN_WIDTH = 560
"""Wide enough for any heading."""

_OTHER_FILL = "#eceff1"
"""Of what a trainer of somebody else's has."""

_FILLS = {
    "input": "#e5e7eb",
    "node": "#ffffff",
    "output": "#e5e7eb",
    "separable_convolution": "#dbeafe",
    "dilated_convolution": "#ede9fe",
    "avg_pooling": "#fef3c7",
    "max_pooling": "#ffedd5",
    "skip_connection": "#dcfce7",
    "convolution": "#cffafe",
    "depthwise_convolution": "#ede9fe",
    "tanh": "#dbeafe",
    "relu": "#ffedd5",
    "sigmoid": "#ede9fe",
    "identity": "#dcfce7",
}
_INK = "#1f2937"
_LINE = "#6b7280"
_FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def page(pictures: Mapping[str, Picture], *, title: str, description: str) -> str:
    """Return the text of an SVG file.

    Args:
        pictures: by their headings; they lie one below the other.
        title: its name, for those who do not see it.
        description: the same in words.
    """
    width = max(_MIN_WIDTH, *(picture.width for picture in pictures.values())) + 2 * _MARGIN
    height = _MARGIN + sum(_HEADING + picture.height + _MARGIN for picture in pictures.values())
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_number(width)} {_number(height)}",
            "width": _number(width),
            "height": _number(height),
            "role": "img",
            "aria-labelledby": "title description",
        },
    )
    ET.SubElement(root, "title", {"id": "title"}).text = title
    ET.SubElement(root, "desc", {"id": "description"}).text = description
    _arrow_head(root)
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    top = float(_MARGIN)
    for heading, picture in pictures.items():
        _draw_picture(root, heading, picture, top, width)
        top += _HEADING + picture.height + _MARGIN
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _draw_picture(root: ET.Element, heading: str, picture: Picture, top: float, width: float) -> None:
    text = {"x": _number(_MARGIN), "y": _number(top + _HEADING_SIZE), "font-size": str(_HEADING_SIZE)}
    ET.SubElement(root, "text", {"font-family": "sans-serif", "fill": _INK, **text}).text = heading
    left = (width - picture.width) / 2
    place = f"translate({_number(left)} {_number(top + _HEADING)})"
    group = ET.SubElement(root, "g", {"transform": place, "font-family": _FONT, "font-size": str(FONT_SIZE)})
    for line in picture.lines:
        _draw_line(group, line)
    for box in picture.boxes:
        _draw_box(group, box)


def _draw_box(group: ET.Element, box: Box) -> None:
    drawn = ET.SubElement(group, "g", {"class": "box"})
    ET.SubElement(drawn, "title").text = box.title
    is_node = box.kind in ("input", "node", "output")
    ET.SubElement(
        drawn,
        "rect",
        {
            "x": _number(box.x - box.width / 2),
            "y": _number(box.y - box.height / 2),
            "width": _number(box.width),
            "height": _number(box.height),
            "rx": _number(box.height / 2 if is_node else 6),
            "fill": next((fill for kind, fill in _FILLS.items() if box.kind.startswith(kind)), _OTHER_FILL),
            "stroke": _INK if is_node else _LINE,
        },
    )
    for index, line in enumerate(box.lines):
        # A third of the size is about half the height of small letters with their ascents.
        y = box.y + (index - (len(box.lines) - 1) / 2) * LINE_HEIGHT + FONT_SIZE / 3
        text = {"x": _number(box.x), "y": _number(y), "text-anchor": "middle", "fill": _INK}
        ET.SubElement(drawn, "text", text).text = line


def _draw_line(group: ET.Element, line: Line) -> None:
    """Curves from column to column, and level lines through columns, where only boxes could be in the way."""
    (x, y), *rest = line.points
    path = [f"M {_number(x)} {_number(y)}"]
    for index, (next_x, next_y) in enumerate(rest):
        # The widest box's side is its column's but for rounding; such a step back would turn the arrow's head.
        if index % 2 == 0 and not math.isclose(next_x, x):
            path.append(f"L {_number(next_x)} {_number(next_y)}")
        elif index % 2:
            middle = _number((x + next_x) / 2)
            path.append(f"C {middle} {_number(y)} {middle} {_number(next_y)} {_number(next_x)} {_number(next_y)}")
        x, y = next_x, next_y
    drawn = {"d": " ".join(path), "fill": "none", "stroke": _LINE, "stroke-width": "1.5", "marker-end": "url(#arrow)"}
    ET.SubElement(group, "path", drawn)


def _arrow_head(root: ET.Element) -> None:
    marker = {"id": "arrow", "viewBox": "0 0 8 8", "refX": "8", "refY": "4", "orient": "auto"}
    size = {"markerWidth": "9", "markerHeight": "9", "markerUnits": "userSpaceOnUse"}
    defs = ET.SubElement(root, "defs")
    head = ET.SubElement(defs, "marker", marker | size)
    ET.SubElement(head, "path", {"d": "M 0 0 L 8 4 L 0 8 z", "fill": _LINE})


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
