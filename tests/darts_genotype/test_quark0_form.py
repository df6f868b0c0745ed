import pytest

from darts_genotype import forms, katib_form, quark0_form
from darts_genotype.genotype import Edge, Genotype, GenotypeError, num_skips
from darts_genotype.primitives import PRIMITIVES

# The cells that the paper publishes: figures 4 and 5 (second order), and those of its first-order search.
DARTS_V1 = """
DARTS_V1 = Genotype(
  normal = [('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_3x3', 1),
            ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)],
  normal_concat = [2, 3, 4, 5],
  reduce = [('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0),
            ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)],
  reduce_concat = [2, 3, 4, 5])
"""
DARTS_V2 = (
    "DARTS_V2 = Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def test_the_published_genotype_of_the_first_order():
    genotype = forms.read(DARTS_V1)
    assert genotype.num_nodes == 4
    assert genotype.normal[0] == (Edge("separable_convolution_3x3", 1), Edge("separable_convolution_3x3", 0))
    assert genotype.reduce[3] == (Edge("skip_connection", 2), Edge("avg_pooling_3x3", 0))
    assert (num_skips(genotype.normal), num_skips(genotype.reduce)) == (3, 3)


def test_the_published_genotype_of_the_second_order():
    genotype = forms.read(DARTS_V2)
    separable = (Edge("separable_convolution_3x3", 0), Edge("separable_convolution_3x3", 1))
    assert genotype.normal == (
        separable,
        separable,
        (Edge("separable_convolution_3x3", 1), Edge("skip_connection", 0)),
        (Edge("skip_connection", 0), Edge("dilated_convolution_3x3", 2)),
    )
    assert genotype.reduce[1] == (Edge("skip_connection", 2), Edge("max_pooling_3x3", 1))


def test_it_is_written_as_their_search_prints_it():
    expected = DARTS_V2.removeprefix("DARTS_V2 = ").replace("[2, 3, 4, 5]", "range(2, 6)")
    assert quark0_form.write(forms.read(DARTS_V2)) == expected
    assert forms.read(f"04/12 02:33:12 PM genotype = {expected}") == forms.read(DARTS_V2)


def test_each_of_our_operations_has_a_name_there():
    assert sorted(quark0_form.OPERATIONS.values()) == sorted(PRIMITIVES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("('dil_conv_3x3', 2)", "('conv_7x1_1x7', 2)", "normal, node 5: 'conv_7x1_1x7' .*, sep_conv_3x3, "),
        ("('dil_conv_3x3', 2)", "('none', 2)", "normal, node 5: 'none'"),
        ("('dil_conv_3x3', 2)", "('noise', 2)", "normal, node 5: 'noise'"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", "normal, node 5: 5 .* earlier node, 0 to 4"),
        (", ('dil_conv_3x3', 2)", "", "normal: '7 edges' .* each node has 2"),
        ("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[4, 5]", "reduce_concat: \\[4, 5\\] .* no node reads node 3"),
        ("reduce=[", "reduce=7,x=[", "fields: "),
        ("('dil_conv_3x3', 2)", "[('dil_conv_3x3', 2)]", "normal, node 5: .* an edge is"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(old, new, message):
    assert old in DARTS_V2
    with pytest.raises(GenotypeError, match=message):
        forms.read(DARTS_V2.replace(old, new))


def test_a_reduction_cell_is_needed():
    node = (Edge("skip_connection", 0), Edge("skip_connection", 1))
    with pytest.raises(GenotypeError, match=r"reduce: \[\] .* always has a reduction cell"):
        quark0_form.write(Genotype(normal=(node,), reduce=()))


# Cells whose outputs are the nodes that none reads, and some nodes of which have both edges from one: NASNet-A (Zoph et
# al., 1707.07012), as it stands there, too, and the arc that melodyguan/enas publishes.
NASNET = (
    "NASNet = Genotype(normal = [('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0), "
    "('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), "
    "('skip_connect', 1)], normal_concat = [2, 3, 4, 5, 6], reduce = [('sep_conv_5x5', 1), ('sep_conv_7x7', 0), "
    "('max_pool_3x3', 1), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), "
    "('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat = [4, 5, 6])"
)
ENAS = (
    "Genotype(normal=[('avg_pool_3x3', 0), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_5x5', 0), "
    "('skip_connect', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('avg_pool_3x3', 0), "
    "('sep_conv_5x5', 1)], normal_concat=range(2, 7), reduce=[('sep_conv_3x3', 1), ('sep_conv_3x3', 1), "
    "('max_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 3), ('sep_conv_3x3', 1), "
    "('skip_connect', 0), ('max_pool_3x3', 0), ('sep_conv_5x5', 1)], reduce_concat=[2, 4, 5, 6])"
)


def test_outputs_of_the_nodes_that_none_reads():
    genotype = forms.read(NASNET)
    assert (genotype.normal_concat, genotype.reduce_concat) == ((2, 3, 4, 5, 6), (4, 5, 6))
    assert genotype.normal[3] == (Edge("avg_pooling_3x3", 0), Edge("avg_pooling_3x3", 0))
    written = quark0_form.write(genotype)
    assert written.endswith("reduce_concat=[4, 5, 6])")
    assert "normal_concat=range(2, 7)" in written
    assert forms.read(written) == genotype


def test_the_published_arc_of_enas():
    genotype = forms.read(ENAS)
    assert genotype.reduce[0] == (Edge("separable_convolution_3x3", 1), Edge("separable_convolution_3x3", 1))
    assert genotype.reduce_concat == (2, 4, 5, 6)
    assert quark0_form.write(genotype) == ENAS
    assert katib_form.write(genotype).endswith("reduce_concat=[2,4,5,6])")
    assert forms.read(katib_form.write(genotype)) == genotype
