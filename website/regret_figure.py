"""``docs/images/regret.svg``: what the ENAS search reaches with how many trials, from the table of the benchmark.

``python -m website.regret_figure`` draws it again.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "benchmarks/results/enas_search.md"
PICTURE = ROOT / "docs/images/regret.svg"

_TRIALS = (30, 60, 150)
_METHODS = {
    "random search": ("random search", "#6b7280", -6),
    "controller as Katib credits it": ("credited as Katib does", "#d55e00", 12),
    "evolution, population 20, sample 10": ("evolution", "#0072b2", 4),
    "ours": ("this service", "#009e73", 4),
}
"""Rows of the table: the label, its colour (Okabe and Ito's), and how far it is moved down to be legible."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 560, 70, 330
_HIGHEST = 0.5


def draw(table: str) -> str:
    """Return the text of an SVG file.

    Args:
        table: the text of the benchmark's page.
    """
    section = table.partition("### NAS-Bench-Macro")[2].partition("###")[0]
    regrets = {method: _regrets(section, method) for method in _METHODS}
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": "0 0 780 400", "role": "img"})
    root.attrib |= {"width": "780", "height": "400", "font-family": "sans-serif", "font-size": "14"}
    ET.SubElement(root, "title").text = "Regret of four methods after 30, 60 and 150 trials"
    ET.SubElement(root, "desc").text = "; ".join(
        f"{_METHODS[method][0]} {', '.join(map(str, values))}" for method, values in regrets.items()
    )
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    _text(root, 24, 34, "NAS-Bench-Macro: best accuracy found, in points below the best there is", size=17)
    for regret in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
        line = {"x1": str(_LEFT), "x2": str(_RIGHT), "y1": f"{_y(regret):g}", "y2": f"{_y(regret):g}"}
        ET.SubElement(root, "line", line | {"stroke": "#e5e7eb"})
        _text(root, _LEFT - 10, _y(regret) + 5, f"{regret:g}", anchor="end")
    for trials in _TRIALS:
        _text(root, _x(trials), _BOTTOM + 24, f"{trials}", anchor="middle")
    _text(root, (_LEFT + _RIGHT) / 2, _BOTTOM + 48, "trials", anchor="middle")
    for method, values in regrets.items():
        label, colour, down = _METHODS[method]
        places = [(_x(trials), _y(value)) for trials, value in zip(_TRIALS, values, strict=True)]
        points = " ".join(f"{x:g},{y:g}" for x, y in places)
        ET.SubElement(root, "polyline", {"points": points, "fill": "none", "stroke": colour, "stroke-width": "2.5"})
        for x, y in places:
            ET.SubElement(root, "circle", {"cx": f"{x:g}", "cy": f"{y:g}", "r": "4", "fill": colour})
        _text(root, _RIGHT + 14, places[-1][1] + down, f"{label} {values[-1]:.3f}", colour=colour)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _regrets(section: str, method: str) -> Sequence[float]:
    (row,) = re.findall(rf"^\| {re.escape(method)} \|(.*)$", section, re.MULTILINE)
    (header,) = re.findall(r"^\| method \|(.*)$", section, re.MULTILINE)
    cells = dict(zip((name.strip() for name in header.split("|")), row.split("|"), strict=True))
    return [float(cells[str(trials)].split()[0]) for trials in _TRIALS]


def _text(
    root: ET.Element, x: float, y: float, text: str, *, anchor: str = "start", size: int = 14, colour: str = "#1f2937"
) -> None:
    place = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor, "font-size": str(size), "fill": colour}
    ET.SubElement(root, "text", place).text = text


def _x(trials: int) -> float:
    return round(_LEFT + 20 + (trials - _TRIALS[0]) / (_TRIALS[-1] - _TRIALS[0]) * (_RIGHT - _LEFT - 40), 1)


def _y(regret: float) -> float:
    return round(_BOTTOM - regret / _HIGHEST * (_BOTTOM - _TOP), 1)


if __name__ == "__main__":
    PICTURE.write_text(draw(TABLE.read_text()))
