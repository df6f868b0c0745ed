import copy

import torch
from torch import nn

from trial_runtime.costs.network_cost import multiply_adds, num_parameters


def _network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),  # 8 outputs on 5x4 places, 27 products each
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, 5, padding=2, groups=8, bias=False),  # 16 outputs on 5x4 places, 25 products each
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def test_multiply_adds_are_those_of_convolutions_and_matrix_products():
    assert multiply_adds(_network(), (3, 10, 8)) == 8 * 20 * 27 + 16 * 20 * 25 + 16 * 10


def test_parameters_are_those_that_are_trained():
    network = _network()
    network[0].weight.requires_grad_(False)

    assert num_parameters(network) == 2 * 8 + 16 * 25 + 16 * 10 + 10


def test_counting_leaves_a_network_as_it_is():
    network = _network().train()
    before = copy.deepcopy(network.state_dict())

    multiply_adds(network, (3, 10, 8))

    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
