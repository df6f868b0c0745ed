"""The form of the DARTS authors' code, quark0/darts: a cell is one flat list of edges, two a node or, recurrent, one.

``cnn/genotypes.py`` and ``rnn/genotypes.py`` there. Activation functions have the same names here and there.
"""

from darts_genotype import vocabulary
from darts_genotype.fields import concat_text
from darts_genotype.genotype import Cell, Genotype, GenotypeError
from darts_genotype.recurrent import AnyGenotype, RecurrentGenotype

OPERATIONS = vocabulary.QUARK0
"""Names there, and ours."""

_THEIRS = {ours: theirs for theirs, ours in OPERATIONS.items()}


def write(genotype: AnyGenotype) -> str:
    """Write it as a Python expression, one line.

    Raises:
        GenotypeError: it is one of pictures and has no reduction cell; each network there has one.
    """
    if isinstance(genotype, RecurrentGenotype):
        nodes = [tuple(edge) for edge in genotype.recurrent]
        return f"Genotype(recurrent={nodes}, concat={genotype.concat_text.replace(',', ', ')})"
    _check_reduce(genotype)
    return (
        f"Genotype(normal={_flat(genotype.normal)}, normal_concat={concat_text(genotype, genotype.normal_concat)}, "
        f"reduce={_flat(genotype.reduce)}, reduce_concat={concat_text(genotype, genotype.reduce_concat)})"
    )


def _check_reduce(genotype: Genotype) -> None:
    if not genotype.reduce:
        raise GenotypeError("reduce", [], "the form of quark0/darts always has a reduction cell")


def _flat(cell: Cell) -> list[tuple[str, int]]:
    return [(_THEIRS[edge.operation], edge.source) for node in cell for edge in node]
