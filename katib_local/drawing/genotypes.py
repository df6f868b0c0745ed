"""A genotype as a picture: both cells of pictures as one SVG, or a recurrent cell."""

from collections import Counter
from collections.abc import Sequence

from darts_genotype.genotype import NUM_INPUTS, Cell, num_skips
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype
from katib_local.drawing import svg
from katib_local.drawing.cell_layout import lay_out, lay_out_recurrent


def draw(genotype: AnyGenotype) -> str:
    """Return the text of an SVG file."""
    if isinstance(genotype, RecurrentGenotype):
        return _draw_recurrent(genotype)
    drawn = [("Normal cell", genotype.normal, genotype.normal_concat)]
    if genotype.reduce:
        drawn.append(("Reduction cell", genotype.reduce, genotype.reduce_concat))
    return svg.page(
        {f"{name}: {facts(cell)}": lay_out(cell, concat) for name, cell, concat in drawn},
        title=f"A genotype of {genotype.num_nodes} nodes",
        description=" ".join(_words(name, cell, concat) for name, cell, concat in drawn),
    )


def recurrent_facts(genotype: RecurrentGenotype) -> str:
    """Say how many nodes a recurrent cell has, and how often each function."""
    counts = Counter(edge.operation for edge in genotype.recurrent)
    functions = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{_counted(genotype.num_nodes, 'node')}, {functions}"


def facts(cell: Cell) -> str:
    """Say how much of what a cell has."""
    counts = {"node": len(cell), "edge": sum(map(len, cell)), "skip connection": num_skips(cell)}
    return ", ".join(_counted(count, name) for name, count in counts.items())


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _draw_recurrent(genotype: RecurrentGenotype) -> str:
    name = f"Recurrent cell: {recurrent_facts(genotype)}"
    nodes = "; ".join(
        f"node {index} is {edge.operation} of node {edge.source}"
        for index, edge in enumerate(genotype.recurrent, start=1)
    )
    output = ", ".join(map(str, genotype.concat))
    return svg.page(
        {name: lay_out_recurrent(genotype)},
        title=f"A recurrent genotype of {_counted(genotype.num_nodes, 'node')}",
        description=f"{name}: {nodes}. Its output is the mean of the nodes {output}.",
    )


def _words(name: str, cell: Cell, concat: Sequence[int]) -> str:
    """The cell for those who do not see it."""
    nodes = (
        f"node {index} is the sum of {' and '.join(f'{edge.operation} of node {edge.source}' for edge in node)}"
        for index, node in enumerate(cell, start=NUM_INPUTS)
    )
    inner = range(NUM_INPUTS, NUM_INPUTS + len(cell))
    output = "the nodes" if list(concat) == [*inner] else f"the nodes {', '.join(map(str, concat))}"
    return f"{name}, {facts(cell)}: {'; '.join(nodes)}. Its output concatenates {output}."
