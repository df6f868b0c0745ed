import torch

from cell_networks.layout import Layout
from darts_genotype.genotype import Edge, Genotype
from darts_trainer.supernet.derived_cost import DerivedCost


def cost(operation, num_layers=1):
    layout = Layout(
        num_layers=num_layers, num_nodes=1, init_channels=4, stem_multiplier=1, image_channels=1, num_classes=2
    )
    cell = ((Edge(operation, 0), Edge("skip_connection", 1)),)
    return DerivedCost.of(Genotype(normal=cell, reduce=cell), layout, (1, 8, 8))


def test_it_is_that_of_the_discrete_network():
    """A stem of 3x3 convolutions to 4 channels, both inputs 1x1 to 4, norms of 8 numbers, and a linear head."""
    inputs, head = 2 * (16 + 8), 4 * 2 + 2
    stem = 9 * 4 + 8
    assert cost("skip_connection") == DerivedCost(stem + inputs + head, 64 * (9 * 4 + 2 * 16) + 8)


def test_an_operation_with_weights_costs_more():
    assert cost("separable_convolution_3x3").parameters > cost("max_pooling_3x3").parameters
    assert cost("separable_convolution_3x3").multiply_adds > cost("max_pooling_3x3").multiply_adds


def test_nothing_random_is_drawn_that_a_search_depends_on():
    before = torch.get_rng_state()
    cost("separable_convolution_3x3", num_layers=3)
    assert torch.equal(torch.get_rng_state(), before)
