"""Pictures of boxes and lines."""

import re
import xml.etree.ElementTree as ET

from katib_local.drawing import svg
from katib_local.drawing.layered_layout import Box, lay_out


def test_no_line_turns_back_at_the_side_of_its_box() -> None:
    labels = ("darts_trainer", "what was found", "katib_cluster", "katib_suggestion")
    boxes = [Box(lines=(label,), kind="node", title=label) for label in labels]
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]
    drawn = ET.fromstring(svg.page({"": lay_out(boxes, edges)}, title="", description=""))
    paths = [path.attrib["d"] for path in drawn.iter("{http://www.w3.org/2000/svg}path") if "marker-end" in path.attrib]
    assert len(paths) == len(edges)
    for path in paths:
        across = [float(x) for x in re.findall(r"([\d.]+) [\d.]+", path)]
        assert across == sorted(across), path
