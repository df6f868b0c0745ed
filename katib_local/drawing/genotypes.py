"""A genotype as a picture: both cells as one SVG."""

from darts_genotype.genotype import NUM_INPUTS, Cell, Genotype, num_skips
from katib_local.drawing import svg
from katib_local.drawing.cell_layout import lay_out


def draw(genotype: Genotype) -> str:
    """Return the text of an SVG file."""
    cells = {"Normal cell": genotype.normal, "Reduction cell": genotype.reduce}
    drawn = {name: cell for name, cell in cells.items() if cell}
    return svg.page(
        {f"{name}: {facts(cell)}": lay_out(cell) for name, cell in drawn.items()},
        title=f"A genotype of {genotype.num_nodes} nodes",
        description=" ".join(_words(name, cell) for name, cell in drawn.items()),
    )


def facts(cell: Cell) -> str:
    """Say how much of what a cell has."""
    counts = {"node": len(cell), "edge": sum(map(len, cell)), "skip connection": num_skips(cell)}
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def _words(name: str, cell: Cell) -> str:
    """The cell for those who do not see it."""
    nodes = (
        f"node {index} is the sum of {' and '.join(f'{edge.operation} of node {edge.source}' for edge in node)}"
        for index, node in enumerate(cell, start=NUM_INPUTS)
    )
    return f"{name}, {facts(cell)}: {'; '.join(nodes)}. Its output concatenates the nodes."
