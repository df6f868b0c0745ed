"""Pictures of genotypes, read back from their SVG."""

import itertools
import random
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from darts_genotype import forms
from darts_genotype.activations import ACTIVATIONS
from darts_genotype.genotype import MAX_NODES, Cell, Edge, Genotype
from darts_genotype.primitives import PRIMITIVES
from darts_genotype.recurrent import RecurrentGenotype
from katib_local.drawing.genotypes import draw
from katib_local.drawing.layered_layout import FONT_SIZE

SVG = "{http://www.w3.org/2000/svg}"

WIDEST_FONT = 0.62
"""Advance of a character of the widest usual font of fixed width, as a share of its size."""


@dataclass(frozen=True)
class Rectangle:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Rectangle", margin: float = 0.0) -> bool:
        return (
            self.left < other.right + margin
            and other.left < self.right + margin
            and self.top < other.bottom + margin
            and other.top < self.bottom + margin
        )


def random_cell(numbers: random.Random, num_nodes: int) -> Cell:
    return tuple(
        tuple(Edge(numbers.choice(PRIMITIVES), source) for source in numbers.sample(range(node), 2))
        for node in range(2, 2 + num_nodes)
    )


def random_genotypes() -> list[Genotype]:
    numbers = random.Random(0)
    sizes = [*range(1, 9)] * 4
    return [Genotype(normal=random_cell(numbers, size), reduce=random_cell(numbers, size)) for size in sizes]


def loose_ends(cell: Cell) -> tuple[int, ...]:
    """What no node reads, inputs among it: the output of a cell in ENAS's micro space."""
    read = {edge.source for node in cell for edge in node}
    return tuple(node for node in range(2 + len(cell)) if node not in read)


def random_genotypes_of_enas() -> list[Genotype]:
    numbers = random.Random(1)
    found = []
    for size in range(1, 7):
        normal, reduce = (
            tuple(
                tuple(Edge(numbers.choice(PRIMITIVES), numbers.randrange(node)) for _ in range(2))
                for node in range(2, 2 + size)
            )
            for _ in range(2)
        )
        ends = {"normal_concat": loose_ends(normal), "reduce_concat": loose_ends(reduce)}
        found.append(Genotype(normal=normal, reduce=reduce, **ends))
    return found


CHAIN = tuple((Edge("separable_convolution_7x7", node - 1), Edge("skip_connection", node - 2)) for node in range(2, 8))
TWICE = ((Edge("max_pooling_3x3", 1), Edge("max_pooling_3x3", 1)),)
"""Reads input 1 alone."""
GENOTYPES = [
    *random_genotypes(),
    *random_genotypes_of_enas(),
    Genotype(normal=TWICE, reduce=TWICE, reduce_concat=(0, 2)),
    Genotype(normal=CHAIN, reduce=()),
    Genotype(normal=CHAIN[:1], reduce=CHAIN[:1]),
]


def cells_with_outputs(genotype: Genotype) -> list[tuple[Cell, tuple[int, ...]]]:
    cells = [(genotype.normal, genotype.normal_concat), (genotype.reduce, genotype.reduce_concat)]
    return [(cell, concat) for cell, concat in cells if cell]


def cells_of(picture: str) -> list[ET.Element]:
    return [group for group in ET.fromstring(picture).findall(f"{SVG}g") if group.get("transform")]


def boxes_of(cell: ET.Element) -> list[ET.Element]:
    return [group for group in cell.findall(f"{SVG}g") if group.get("class") == "box"]


def label(box: ET.Element) -> str:
    return " ".join(text.text or "" for text in box.findall(f"{SVG}text"))


def rectangle(box: ET.Element) -> Rectangle:
    drawn = box.find(f"{SVG}rect")
    assert drawn is not None
    x, y, width, height = (float(drawn.attrib[name]) for name in ("x", "y", "width", "height"))
    return Rectangle(x, y, x + width, y + height)


def points_of(path: ET.Element) -> list[tuple[float, float]]:
    """Follow a path of level lines and cubic curves in small steps."""
    words = path.attrib["d"].split()
    points: list[tuple[float, float]] = []
    while words:
        command, words = words[0], words[1:]
        count = {"M": 2, "L": 2, "C": 6}[command]
        numbers, words = list(map(float, words[:count])), words[count:]
        ends = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "M":
            points += ends
            continue
        start = points[-1]
        controls = [start, *ends] if command == "C" else [start, start, ends[0], ends[0]]
        for step in range(1, 41):
            t = step / 40
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
            points.append(tuple(sum(w * p[axis] for w, p in zip(weights, controls, strict=True)) for axis in (0, 1)))
    return points


@pytest.mark.parametrize("genotype", GENOTYPES, ids=range(len(GENOTYPES)))
def test_a_picture_has_every_node_and_every_operation_and_nothing_overlaps(genotype):
    picture = draw(genotype)
    for (cell, concat), drawn in zip(cells_with_outputs(genotype), cells_of(picture), strict=True):
        boxes = boxes_of(drawn)
        operations = [edge.operation.replace("_", " ") for node in cell for edge in node]
        used = {edge.source for node in cell for edge in node} | set(concat)
        inputs = [name for n, name in enumerate(["node 0 before previous", "node 1 previous cell"]) if n in used]
        nodes = [*inputs, *(f"node {n + 2}" for n in range(len(cell)))]
        assert Counter(map(label, boxes)) == Counter([*operations, *nodes, "output"])
        titles = [f"{e.operation} of node {e.source}, to node {n}" for n, node in enumerate(cell, 2) for e in node]
        assert not Counter(titles) - Counter(box.findtext(f"{SVG}title") for box in boxes)
        for one, other in itertools.combinations(map(rectangle, boxes), 2):
            assert not one.overlaps(other, margin=4)


@pytest.mark.parametrize("genotype", GENOTYPES, ids=range(len(GENOTYPES)))
def test_lines_lead_where_the_genotype_says_and_around_all_boxes(genotype):
    for (cell, concat), drawn in zip(cells_with_outputs(genotype), cells_of(draw(genotype)), strict=True):
        boxes = [(rectangle(box), box.findtext(f"{SVG}title")) for box in boxes_of(drawn)]
        arrows = Counter()
        for path in drawn.findall(f"{SVG}path"):
            points = points_of(path)
            (start, end) = (
                next(title for box, title in boxes if abs(x - side(box)) < 0.2 and box.top < y < box.bottom)
                for (x, y), side in ((points[0], lambda box: box.right), (points[-1], lambda box: box.left))
            )
            arrows[start.split(",")[0], end.split(",")[0]] += 1
            for x, y in points[1:-1]:
                dot = Rectangle(x, y, x, y)
                assert not any(dot.overlaps(box, margin=-0.2) for box, _ in boxes)
        expected = Counter((f"node {index}", "output") for index in concat)
        for index, node in enumerate(cell, start=2):
            for operation, source in node:
                expected[f"node {source}", f"{operation} of node {source}"] += 1
                expected[f"{operation} of node {source}", f"node {index}"] += 1
        assert arrows == expected


@pytest.mark.parametrize("genotype", [*GENOTYPES[:8], GENOTYPES[-2]], ids=range(9))
def test_no_text_is_cut(genotype):
    root = ET.fromstring(draw(genotype))
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    for drawn in cells_of(draw(genotype)):
        x, y = map(float, drawn.attrib["transform"].removeprefix("translate(").removesuffix(")").split())
        for box in boxes_of(drawn):
            inside = rectangle(box)
            assert x + inside.left >= 0
            assert y + inside.top >= 0
            assert x + inside.right <= width
            assert y + inside.bottom <= height
            for text in box.findall(f"{SVG}text"):
                half = len(text.text) * WIDEST_FONT * FONT_SIZE / 2
                assert float(text.attrib["x"]) - half >= inside.left + 8
                assert float(text.attrib["x"]) + half <= inside.right - 8
                assert inside.top + FONT_SIZE <= float(text.attrib["y"]) <= inside.bottom - FONT_SIZE / 4
    for heading in root.findall(f"{SVG}text"):
        size = float(heading.attrib["font-size"])
        assert float(heading.attrib["x"]) + len(heading.text) * 0.7 * size <= width
        assert heading.attrib["font-family"] == "sans-serif"


def test_it_is_for_everybody():
    """A name and a description for those who do not see it, and a background for those whose page is dark."""
    genotype = Genotype(normal=CHAIN[:2], reduce=())
    root = ET.fromstring(draw(genotype))
    assert root.attrib["role"] == "img"
    named = {root.find(f"*[@id='{one}']").tag for one in root.attrib["aria-labelledby"].split()}
    assert named == {f"{SVG}title", f"{SVG}desc"}
    assert root.findtext(f"{SVG}title") == "A genotype of 2 nodes"
    assert "Normal cell, 2 nodes, 4 edges, 2 skip connections: node 2 is the sum of" in root.findtext(f"{SVG}desc")
    background = root.find(f"{SVG}rect")
    assert background.attrib == {"width": "100%", "height": "100%", "fill": "#ffffff"}
    assert luminance("#1f2937") < 0.05
    for box in boxes_of(cells_of(draw(genotype))[0]):
        fill = luminance(box.find(f"{SVG}rect").attrib["fill"])
        ink = luminance(box.find(f"{SVG}text").attrib["fill"])
        assert (fill + 0.05) / (ink + 0.05) >= 7


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_largest_genotype_is_drawn():
    numbers = random.Random(1)
    genotype = Genotype(normal=random_cell(numbers, MAX_NODES), reduce=random_cell(numbers, MAX_NODES))
    assert len(boxes_of(cells_of(draw(genotype))[0])) == 3 + 3 * MAX_NODES


def test_the_same_genotype_is_the_same_picture():
    assert draw(GENOTYPES[3]) == draw(GENOTYPES[3])


def test_the_guides_picture_is_what_its_text_gives():
    guides = Path(__file__).parents[3] / "docs/guides"
    (text,) = (line for line in (guides / "genotypes.md").read_text().splitlines() if line.startswith("Genotype("))
    assert draw(forms.read(text)) == (guides / "genotype.svg").read_text()


def recurrent_chain(num_nodes: int) -> RecurrentGenotype:
    return RecurrentGenotype.of(*((ACTIVATIONS[node % 4], node) for node in range(num_nodes)))


@pytest.mark.parametrize(
    "genotype",
    [
        recurrent_chain(1),
        recurrent_chain(8),
        recurrent_chain(12),
        RecurrentGenotype.from_arc((0, 2, 1, 1, 1, 1, 1, 3, 2, 0, 5, 2, 3, 0, 5, 1)),
        RecurrentGenotype(recurrent=(Edge("tanh", 0), Edge("relu", 0), Edge("identity", 1)), concat=(3,)),
    ],
    ids=["one", "chain of 8", "chain of 12", "published", "a node that nothing reads"],
)
def test_a_recurrent_cell_is_legible_and_says_what_it_is(genotype):
    picture = draw(genotype)
    (drawn,) = cells_of(picture)
    boxes = {box.findtext(f"{SVG}title").split(",")[0]: box for box in boxes_of(drawn)}
    nodes = {f"node {n} {edge.operation}": n for n, edge in enumerate(genotype.recurrent, 1)}
    assert Counter(map(label, boxes.values())) == Counter(["node 0 x and h", *nodes, "output"])
    for one, other in itertools.combinations(map(rectangle, boxes.values()), 2):
        assert not one.overlaps(other, margin=4)
    arrows = Counter()
    for path in drawn.findall(f"{SVG}path"):
        points = points_of(path)
        (start, end) = (
            next(
                name
                for name, box in boxes.items()
                if abs(x - side(rectangle(box))) < 0.2 and rectangle(box).top < y < rectangle(box).bottom
            )
            for (x, y), side in ((points[0], lambda box: box.right), (points[-1], lambda box: box.left))
        )
        arrows[start, end] += 1
        for x, y in points[1:-1]:
            assert not any(Rectangle(x, y, x, y).overlaps(rectangle(box), margin=-0.2) for box in boxes.values())
    expected = Counter((f"node {edge.source}", f"node {n}") for n, edge in enumerate(genotype.recurrent, 1))
    assert arrows == expected + Counter((f"node {n}", "output") for n in genotype.concat)
    assert f"the mean of the nodes {', '.join(map(str, genotype.concat))}." in picture
