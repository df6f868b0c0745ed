import math

import torch

from darts_genotype import forms, katib_form
from darts_genotype.genotype import Edge
from darts_trainer.supernet.derivation import derive

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
        assert forms.read(katib_form.write(genotype)) == genotype
