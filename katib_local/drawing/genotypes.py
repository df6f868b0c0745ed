"""A genotype as a picture: both cells as one SVG."""

from collections.abc import Sequence

from darts_genotype.genotype import NUM_INPUTS, Cell, Genotype, num_skips
from katib_local.drawing import svg
from katib_local.drawing.cell_layout import lay_out


def draw(genotype: Genotype) -> str:
    """Return the text of an SVG file."""
    drawn = [("Normal cell", genotype.normal, genotype.normal_concat)]
    if genotype.reduce:
        drawn.append(("Reduction cell", genotype.reduce, genotype.reduce_concat))
    return svg.page(
        {f"{name}: {facts(cell)}": lay_out(cell, concat) for name, cell, concat in drawn},
        title=f"A genotype of {genotype.num_nodes} nodes",
        description=" ".join(_words(name, cell, concat) for name, cell, concat in drawn),
    )


def facts(cell: Cell) -> str:
    """Say how much of what a cell has."""
    counts = {"node": len(cell), "edge": sum(map(len, cell)), "skip connection": num_skips(cell)}
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def _words(name: str, cell: Cell, concat: Sequence[int]) -> str:
    """The cell for those who do not see it."""
    nodes = (
        f"node {index} is the sum of {' and '.join(f'{edge.operation} of node {edge.source}' for edge in node)}"
        for index, node in enumerate(cell, start=NUM_INPUTS)
    )
    inner = range(NUM_INPUTS, NUM_INPUTS + len(cell))
    output = "the nodes" if list(concat) == [*inner] else f"the nodes {', '.join(map(str, concat))}"
    return f"{name}, {facts(cell)}: {'; '.join(nodes)}. Its output concatenates {output}."
