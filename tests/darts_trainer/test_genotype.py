import json
import math

import pytest
import torch

from darts_trainer.genotype import Edge, Genotype, GenotypeError, derive, from_structure, parse


@pytest.fixture
def one_line(example):
    return "".join(example.split())


def test_the_example_is_read(example):
    genotype = parse(example)
    assert genotype.num_nodes == 4
    assert genotype.normal[2] == (Edge("max_pooling_3x3", 0), Edge("dilated_convolution_3x3", 3))
    assert genotype.reduce[0] == (Edge("dilated_convolution_5x5", 1), Edge("separable_convolution_3x3", 0))
    assert genotype.concat == range(2, 6)


def test_the_example_is_printed_back_unchanged(example, one_line):
    for text in (example, one_line, one_line.replace(",", ", "), f"  {one_line}\n"):
        assert str(parse(text)) == one_line


def test_structure_goes_through_json_and_back(example):
    genotype = parse(example)
    structure = json.loads(json.dumps(genotype.structure()))
    assert structure["normal"][0] == [["max_pooling_3x3", 0], ["max_pooling_3x3", 1]]
    assert structure["reduce_concat"] == [2, 3, 4, 5]
    assert from_structure(structure) == genotype


def test_without_reduction_cells():
    text = (
        "Genotype(normal=[[('max_pooling_3x3',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),"
        "reduce=[],reduce_concat=range(2,3))"
    )
    genotype = parse(text)
    assert genotype.reduce == ()
    assert str(genotype) == text
    assert from_structure(genotype.structure()) == genotype


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[('max_pooling_3x3',0),('dil", "[('warp_3x3',0),('dil", "normal, node 4: 'warp_3x3'"),
        ("[('max_pooling_3x3',0),('dil", "[('none',0),('dil", "normal, node 4: 'none'"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',4)", "normal, node 4: 4 .* earlier node, 0 to 3"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',-1)", "normal, node 4: -1 "),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',0)", "normal, node 4: 0 .* different nodes"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',True)", "normal, node 4: .* an edge is"),
        ("('dilated_convolution_3x3',3)", "('dilated_convolution_3x3',)", "normal, node 4: .* an edge is"),
        ("('dilated_convolution_5x5',4)]", "]", "reduce, node 5: .* 2 edges"),
        ("('dilated_convolution_3x3',3)", "('skip_connection',1),('skip_connection',2)", "normal, node 4: .* 2 edges"),
        ("reduce_concat=range(2,6)", "reduce_concat=range(2,7)", "reduce_concat: range\\(2, 7\\)"),
        ("normal_concat=range(2,6)", "normal_concat=[2,3]", "normal_concat: "),
        ("normal_concat=range(2,6)", "normal_concat=range(2,99999999999999)", "normal_concat: "),
        ("normal_concat=range(2,6)", "normal_concat=open('x')", "normal_concat: \"open\\('x'\\)\""),
        ("normal_concat=range(2,6),", "", "fields: "),
        ("normal_concat=", "concat=", "fields: "),
        ("Genotype(", "Phenotype(", "starts with Genotype"),
        ("range(2,6))", "range(2,6)", "text: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(one_line, old, new, message):
    assert old in one_line
    with pytest.raises(GenotypeError, match=message):
        parse(one_line.replace(old, new))


@pytest.mark.parametrize(
    "text",
    ["", "Genotype", "Genotype()", "Genotype(1)", "[" * 5000, "a\0b", "Genotype(**{})", "__import__('os').getcwd()"],
)
def test_other_texts_are_no_genotypes(text):
    with pytest.raises(GenotypeError) as raised:
        parse(text)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("structure", [[], {}, {"normal": 1, "reduce": 2, "normal_concat": 3, "reduce_concat": 4}])
def test_other_structures_are_no_genotypes(structure):
    with pytest.raises(GenotypeError):
        from_structure(structure)


def test_cells_have_nodes_and_the_same_number_of_them():
    node = (Edge("skip_connection", 0), Edge("skip_connection", 1))
    with pytest.raises(GenotypeError, match="at least one node"):
        Genotype(normal=(), reduce=())
    with pytest.raises(GenotypeError, match=r"reduce: '1 nodes' .* which has 2"):
        Genotype(normal=(node, node), reduce=(node,))


PRIMITIVES = ("max_pooling_3x3", "skip_connection", "none")


def test_each_node_keeps_its_two_strongest_edges_the_strongest_first():
    weight_eo = torch.tensor(
        [
            [0.6, 0.3, 0.1],  # node 2 from 0
            [0.1, 0.8, 0.1],  # node 2 from 1
            [0.2, 0.5, 0.3],  # node 3 from 0
            [0.1, 0.1, 0.8],  # node 3 from 1: nearly none
            [0.7, 0.2, 0.1],  # node 3 from 2
        ]
    )
    genotype = derive(weight_eo, None, PRIMITIVES, num_nodes=2)
    assert genotype.normal == (
        (Edge("skip_connection", 1), Edge("max_pooling_3x3", 0)),
        (Edge("max_pooling_3x3", 2), Edge("skip_connection", 0)),
    )
    assert genotype.reduce == ()


def test_none_never_wins():
    weight_eo = torch.tensor([[0.01, 0.02, 0.97], [0.02, 0.01, 0.97]])
    genotype = derive(weight_eo, weight_eo.flip(0), PRIMITIVES, num_nodes=1)
    assert genotype.normal == ((Edge("skip_connection", 0), Edge("max_pooling_3x3", 1)),)
    assert genotype.reduce == ((Edge("max_pooling_3x3", 0), Edge("skip_connection", 1)),)


def test_equals_go_in_their_order():
    genotype = derive(torch.full((9, 3), 1 / 3), None, PRIMITIVES, num_nodes=3)
    assert set(genotype.normal) == {(Edge("max_pooling_3x3", 0), Edge("max_pooling_3x3", 1))}


def test_what_is_derived_is_read_back():
    generator = torch.Generator().manual_seed(0)
    primitives = ("separable_convolution_5x5", "none", "avg_pooling_3x3", "skip_connection")
    for num_nodes in (1, 2, 4, 7):
        edges = math.comb(num_nodes + 2, 2) - 1
        cells = (torch.rand(edges, 4, generator=generator) for _ in range(2))
        genotype = derive(*cells, primitives, num_nodes)
        assert parse(str(genotype)) == from_structure(genotype.structure()) == genotype
