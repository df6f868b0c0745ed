import pytest

from darts_genotype.genotype import Edge, GenotypeError
from darts_genotype.recurrent import RecurrentGenotype


def test_all_nodes_are_the_output_unless_told_otherwise():
    genotype = RecurrentGenotype.of(("tanh", 0), ("relu", 1))
    assert (genotype.num_nodes, genotype.concat) == (2, (1, 2))


@pytest.mark.parametrize(
    ("recurrent", "concat", "message"),
    [
        ([], (1,), "1 to 64 nodes"),
        ([("tanh", 0)] * 65, (1,), "65 nodes"),
        ([("max_pooling_3x3", 0)], (1,), "node 1: 'max_pooling_3x3'.*tanh, relu, sigmoid, identity"),
        ([("tanh", 0), ("tanh", 2)], (1,), "node 2: 2 .*0 to 1"),
        ([("tanh", -1)], (1,), "node 1: -1"),
        ([("tanh", 0)], (), "concat"),
        ([("tanh", 0)], (0,), "concat"),
        ([("tanh", 0)], (1, 1), "concat"),
        ([("tanh", 0)], (2,), "concat"),
    ],
)
def test_what_is_no_cell_is_refused_by_its_place(recurrent, concat, message):
    with pytest.raises(GenotypeError, match=message):
        RecurrentGenotype(recurrent=tuple(Edge(*edge) for edge in recurrent), concat=concat)
