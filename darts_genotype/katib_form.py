"""Katib's form, the value of ``Best-Genotype`` in a trial's log: nodes are lists of edges, one line without blanks."""

from darts_genotype.fields import concat_text
from darts_genotype.genotype import Cell
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype


def write(genotype: AnyGenotype) -> str:
    """Write it as Katib's trial does; `darts_genotype.forms.read` reads it.

    Katib has no recurrent cells: theirs is the authors' form, without blanks.
    """
    if isinstance(genotype, RecurrentGenotype):
        nodes = ",".join(f"('{edge.operation}',{edge.source})" for edge in genotype.recurrent)
        return f"Genotype(recurrent=[{nodes}],concat={genotype.concat_text})"
    normal_concat, reduce_concat = (
        concat_text(genotype, concat).replace(" ", "") for concat in (genotype.normal_concat, genotype.reduce_concat)
    )
    return (
        f"Genotype(normal={_cell_text(genotype.normal)},normal_concat={normal_concat},"
        f"reduce={_cell_text(genotype.reduce)},reduce_concat={reduce_concat})"
    )


def _cell_text(cell: Cell) -> str:
    nodes = ("[" + ",".join(f"('{edge.operation}',{edge.source})" for edge in node) + "]" for node in cell)
    return "[" + ",".join(nodes) + "]"
