import pytest
import torch
from torch import nn

from darts_trainer.genotype import GenotypeError, parse
from darts_trainer.layout import Layout
from darts_trainer.network import Network


def layout(**changes):
    sizes = {
        "num_layers": 3,
        "num_nodes": 4,
        "init_channels": 4,
        "stem_multiplier": 3,
        "image_channels": 3,
        "num_classes": 10,
    }
    return Layout(**(sizes | changes))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("changes", [{}, {"image_channels": 1, "num_classes": 7}, {"num_layers": 6}])
@pytest.mark.parametrize("size", [32, 13])
def test_the_example_is_built_into_a_network_that_learns(example, changes, size):
    sizes = layout(**changes)
    network = Network(parse(example), sizes, generator=generator())
    logits_bk = network(torch.randn(2, sizes.image_channels, size, size, generator=generator()))
    assert logits_bk.shape == (2, sizes.num_classes)
    logits_bk.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_cells_hold_the_operations_of_the_genotype(example):
    network = Network(parse(example), layout(), generator=generator())
    normal, reduction, _ = network.cells
    assert [len(list(node)) for node in normal.nodes] == [2, 2, 2, 2]
    assert isinstance(normal.nodes[0][0].pool, nn.MaxPool2d)
    dilated = normal.nodes[2][1][1]
    assert (dilated.kernel_size, dilated.dilation) == ((3, 3), (2, 2))
    # Edges from the two inputs have stride 2 in a reduction cell, those from inner nodes 1.
    assert reduction.nodes[0][0][1].stride == (2, 2)
    assert reduction.nodes[1][0].pool.stride == 1
    assert reduction.nodes[2][0][1].stride == (1, 1)


def test_a_node_is_the_sum_of_its_edges(example):
    network = Network(parse(example), layout(num_layers=1), generator=generator()).eval()
    cell = network.cells[0]
    a, b = (torch.randn(2, 12, 8, 8, generator=generator(seed)) for seed in (1, 2))
    states = [cell.inputs[0](a), cell.inputs[1](b)]
    states.append(cell.nodes[0][0](states[0]) + cell.nodes[0][1](states[1]))
    states.append(cell.nodes[1][0](states[0]) + cell.nodes[1][1](states[1]))
    states.append(cell.nodes[2][0](states[0]) + cell.nodes[2][1](states[3]))
    states.append(cell.nodes[3][0](states[0]) + cell.nodes[3][1](states[1]))
    assert torch.equal(cell(a, b), torch.cat(states[2:], dim=1))


def test_weights_come_from_the_generator(example):
    first, second = (Network(parse(example), layout(), generator=generator()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_deep_network_needs_reduction_cells():
    genotype = parse(
        "Genotype(normal=[[('max_pooling_3x3',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),"
        "reduce=[],reduce_concat=range(2,3))"
    )
    sizes = layout(num_nodes=1, num_layers=1)
    assert Network(genotype, sizes, generator=generator())(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(GenotypeError, match=r"reduce: .* 3 layers"):
        Network(genotype, layout(num_nodes=1), generator=generator())
