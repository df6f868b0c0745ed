"""Cells as tables on a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from darts_genotype.genotype import NUM_INPUTS, Cell
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype
from katib_local.drawing import genotypes


def show(genotype: AnyGenotype, console: Console) -> None:
    """Print the cells of a genotype, and what comes out of each."""
    if isinstance(genotype, RecurrentGenotype):
        _show_recurrent(genotype, console)
        return
    for name, cell in {"Normal cell": genotype.normal, "Reduction cell": genotype.reduce}.items():
        summary = genotypes.facts(cell) if cell else "none"
        console.print(f"{name}: {summary}", markup=False, highlight=False, soft_wrap=True)
        if cell:
            console.print(_table(cell))
    concats = {"The normal": genotype.normal_concat, "The reduction": genotype.reduce_concat}
    if genotype.normal_concat == genotype.reduce_concat:
        concats = {"A": genotype.normal_concat}
    for which, concat in concats.items():
        nodes = ", ".join(map(str, concat))
        output = f"{which} cell's output is the concatenation of its nodes {nodes}"
        console.print(output, highlight=False, soft_wrap=True)


def _show_recurrent(genotype: RecurrentGenotype, console: Console) -> None:
    summary = f"Recurrent cell: {genotypes.recurrent_facts(genotype)}"
    console.print(summary, markup=False, highlight=False, soft_wrap=True)
    table = Table("node", "is", box=box.SIMPLE_HEAD)
    for index, edge in enumerate(genotype.recurrent, start=1):
        table.add_row(str(index), f"{edge.operation} of {edge.source}")
    console.print(table)
    nodes = ", ".join(map(str, genotype.concat))
    console.print(f"The cell's output is the mean of its nodes {nodes}", highlight=False, soft_wrap=True)


def _table(cell: Cell) -> Table:
    table = Table("node", "is the sum of", "and of", box=box.SIMPLE_HEAD)
    for index, node in enumerate(cell, start=NUM_INPUTS):
        table.add_row(str(index), *(f"{edge.operation} of {edge.source}" for edge in node))
    return table
