from darts_trainer.collapse import num_skips
from darts_trainer.genotype import Edge, parse


def test_skips_of_the_example_and_of_its_change(example):
    genotype = parse(example)
    assert (num_skips(genotype.normal), num_skips(genotype.reduce)) == (0, 0)
    changed = parse(example.replace("('max_pooling_3x3',0)", "('skip_connection',0)"))
    assert (num_skips(changed.normal), num_skips(changed.reduce)) == (4, 0)


def test_a_cell_that_is_not_there_has_no_skips():
    assert num_skips(()) == 0
    assert num_skips(((Edge("skip_connection", 0), Edge("skip_connection", 1)),)) == 2
