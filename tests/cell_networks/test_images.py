import pytest
import torch
from torch import nn
from torch.nn import functional

from cell_networks.images import Network, drop_paths
from cell_networks.layout import Layout
from darts_genotype import forms
from darts_genotype.genotype import GenotypeError
from trial_runtime.costs.network_cost import multiply_adds, num_parameters

DARTS_V2 = (
    "Genotype(normal=[[('separable_convolution_3x3',0),('separable_convolution_3x3',1)],"
    "[('separable_convolution_3x3',0),('separable_convolution_3x3',1)],"
    "[('separable_convolution_3x3',1),('skip_connection',0)],[('skip_connection',0),('dilated_convolution_3x3',2)]],"
    "normal_concat=range(2,6),reduce=[[('max_pooling_3x3',0),('max_pooling_3x3',1)],"
    "[('skip_connection',2),('max_pooling_3x3',1)],[('max_pooling_3x3',0),('skip_connection',2)],"
    "[('skip_connection',2),('max_pooling_3x3',1)]],reduce_concat=range(2,6))"
)
"""What the second-order search of the paper found on CIFAR-10, from the published code."""


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
    network = Network(forms.read(example), sizes, generator=generator())
    logits_bk = network(torch.randn(2, sizes.image_channels, size, size, generator=generator()))
    assert logits_bk.shape == (2, sizes.num_classes)
    logits_bk.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_cells_hold_the_operations_of_the_genotype(example):
    network = Network(forms.read(example), layout(), generator=generator())
    normal, reduction, _ = network.cells
    assert [len(list(node)) for node in normal.nodes] == [2, 2, 2, 2]
    # The published code has no batch norm after the pools of this network, but in the search's.
    assert isinstance(normal.nodes[0][0], nn.MaxPool2d)
    dilated = normal.nodes[2][1][1]
    assert (dilated.kernel_size, dilated.dilation) == ((3, 3), (2, 2))
    # Edges from the two inputs have stride 2 in a reduction cell, those from inner nodes 1.
    assert reduction.nodes[0][0][1].stride == (2, 2)
    assert reduction.nodes[1][0].stride == 1
    assert reduction.nodes[2][0][1].stride == (1, 1)


def test_a_node_is_the_sum_of_its_edges(example):
    network = Network(forms.read(example), layout(num_layers=1), generator=generator()).eval()
    cell = network.cells[0]
    a, b = (torch.randn(2, 12, 8, 8, generator=generator(seed)) for seed in (1, 2))
    states = [cell.inputs[0](a), cell.inputs[1](b)]
    states.append(cell.nodes[0][0](states[0]) + cell.nodes[0][1](states[1]))
    states.append(cell.nodes[1][0](states[0]) + cell.nodes[1][1](states[1]))
    states.append(cell.nodes[2][0](states[0]) + cell.nodes[2][1](states[3]))
    states.append(cell.nodes[3][0](states[0]) + cell.nodes[3][1](states[1]))
    assert torch.equal(cell(a, b), torch.cat(states[2:], dim=1))


LOOSE_ENDS = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 0), ('max_pool_3x3', 2), ('skip_connect', 0)], "
    "normal_concat=[1, 3], "
    "reduce=[('skip_connect', 1), ('avg_pool_3x3', 1), ('dil_conv_3x3', 2), ('skip_connect', 2)], reduce_concat=[0, 3])"
)
"""Nodes with both edges from one, and outputs of what no node reads: an input and the last node."""


def test_an_output_is_of_the_nodes_that_are_listed_inputs_among_them():
    """Against the same layers, called one by one, in float64."""
    sizes = layout(num_layers=2, num_nodes=2)
    network = Network(forms.read(LOOSE_ENDS), sizes, generator=generator()).double().eval()
    normal, reduction = network.cells
    stem = network.stem(torch.randn(2, 3, 9, 9, generator=generator(1), dtype=torch.float64))

    edges = [list(node) for node in normal.nodes]
    a, b = normal.inputs[0](stem), normal.inputs[1](stem)
    first = edges[0][0](a) + edges[0][1](a)
    normal_output = torch.cat([b, functional.max_pool2d(first, 3, 1, 1) + a], dim=1)

    edges = [list(node) for node in reduction.nodes]
    a, b = reduction.inputs[0](stem), reduction.inputs[1](normal_output)
    averaged = functional.avg_pool2d(b, 3, 2, 1, count_include_pad=False)
    first = edges[0][0](b) + averaged
    halved = reduction.concatenated_inputs["0"](a)
    output = torch.cat([halved, edges[1][0](first) + first], dim=1)

    assert halved.shape == first.shape
    torch.testing.assert_close(normal(stem, stem), normal_output, rtol=0, atol=0)
    torch.testing.assert_close(reduction(stem, normal_output), output, rtol=0, atol=0)


@pytest.mark.parametrize("num_layers", [1, 2, 6])
def test_other_outputs_make_a_network_that_learns(num_layers):
    network = Network(
        forms.read(LOOSE_ENDS), layout(num_layers=num_layers, num_nodes=2), generator=generator(),
        auxiliary_image_size=(8, 8) if num_layers > 1 else None,
    )  # fmt: skip
    logits_bk, auxiliary_bk = network.training_logits(torch.randn(4, 3, 8, 8, generator=generator()), None)
    assert logits_bk.shape == (4, 10)
    (logits_bk.square().sum() + (0 if auxiliary_bk is None else auxiliary_bk.square().sum())).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_weights_come_from_the_generator(example):
    first, second = (Network(forms.read(example), layout(), generator=generator()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_deep_network_needs_reduction_cells():
    genotype = forms.read(
        "Genotype(normal=[[('max_pooling_3x3',0),('max_pooling_3x3',1)]],normal_concat=range(2,3),"
        "reduce=[],reduce_concat=range(2,3))"
    )
    sizes = layout(num_nodes=1, num_layers=1)
    assert Network(genotype, sizes, generator=generator())(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(GenotypeError, match=r"reduce: .* 3 layers"):
        Network(genotype, layout(num_nodes=1), generator=generator())


def test_the_published_network_has_the_published_size():
    """The paper's table 1: 3.3 million parameters; by the published code, 3,349,342 and 476,426 of the second head."""
    sizes = layout(num_layers=20, init_channels=36)
    network = Network(forms.read(DARTS_V2), sizes, generator=generator(), auxiliary_image_size=(32, 32))
    assert num_parameters(network) == 3_825_768
    assert num_parameters(network) - num_parameters(network.auxiliary_head) == 3_349_342
    assert multiply_adds(network, (3, 32, 32)) == 528_359_040


def test_the_second_head_has_the_published_pool_where_that_fits():
    network = Network(forms.read(DARTS_V2), layout(), generator=generator(), auxiliary_image_size=(32, 32))
    pool = network.auxiliary_head.features[1]
    assert (pool.kernel_size, pool.stride) == ((5, 5), (3, 3))


@pytest.mark.parametrize("size", [(8, 8), (5, 6), (28, 28), (30, 17), (64, 40)])
def test_the_second_head_fits_other_images_and_helps_the_cells_before_it(size):
    network = Network(forms.read(DARTS_V2), layout(num_layers=6), generator=generator(), auxiliary_image_size=size)
    logits_bk, auxiliary_bk = network.training_logits(torch.randn(2, 3, *size, generator=generator()), None)
    assert logits_bk.shape == auxiliary_bk.shape == (2, 10)
    auxiliary_bk.square().sum().backward()
    # The last cell at 2/3 of the depth is the fifth of six.
    assert [any(p.grad is not None for p in cell.parameters()) for cell in network.cells] == [True] * 5 + [False]
    assert all(p.grad is not None for p in network.auxiliary_head.parameters())


def test_drop_path_scales_every_edge_but_identities():
    """Against a sum written out: 6 of 8 edges of the normal cell can be dropped."""
    network = Network(forms.read(DARTS_V2), layout(num_layers=2), generator=generator()).eval()
    assert [cell.num_paths for cell in network.cells] == [6, 5]
    cell = network.cells[0]
    a, b = (torch.randn(2, 12, 8, 8, generator=generator(seed)) for seed in (1, 2))
    scale = drop_paths(6, 2, 0.5, generator())
    rows = scale[:, :, None, None, None]
    edges = [list(node) for node in cell.nodes]
    states = [cell.inputs[0](a), cell.inputs[1](b)]
    states.append(edges[0][0](states[0]) * rows[0] + edges[0][1](states[1]) * rows[1])
    states.append(edges[1][0](states[0]) * rows[2] + edges[1][1](states[1]) * rows[3])
    states.append(edges[2][0](states[1]) * rows[4] + states[0])
    states.append(states[0] + edges[3][1](states[2]) * rows[5])
    torch.testing.assert_close(cell(a, b, scale), torch.cat(states[2:], dim=1))


def test_each_cell_gets_its_own_paths():
    network = Network(forms.read(DARTS_V2), layout(), generator=generator()).eval()
    x_bchw = torch.randn(2, 3, 8, 8, generator=generator())
    nothing_dropped = network.training_logits(x_bchw, torch.ones(network.num_paths, 2))[0]
    torch.testing.assert_close(nothing_dropped, network(x_bchw))
    last = sum(cell.num_paths for cell in network.cells[:2])
    scale_pb = torch.ones(network.num_paths, 2)
    scale_pb[last:, 1] = 0
    expected = network(x_bchw)
    dropped = network.training_logits(x_bchw, scale_pb)[0]
    torch.testing.assert_close(dropped[0], expected[0])
    assert not torch.allclose(dropped[1], expected[1])


def test_each_path_may_have_a_probability_of_its_own_as_deep_as_it_lies():
    network = Network(forms.read(DARTS_V2), layout(), generator=generator())
    depths = network.path_depths()
    assert len(depths) == network.num_paths
    counts = [cell.num_paths for cell in network.cells]
    assert depths.tolist() == pytest.approx([1 / 3] * counts[0] + [2 / 3] * counts[1] + [1.0] * counts[2])
    scale_pb = drop_paths(len(depths), 20_000, 0.6 * depths[:, None], generator())
    torch.testing.assert_close((scale_pb == 0).float().mean(dim=1), 0.6 * depths, rtol=0, atol=0.02)
    torch.testing.assert_close(scale_pb.mean(dim=1), torch.ones(len(depths)), rtol=0, atol=0.04)


def test_features_are_scaled_before_the_first_classifier_alone():
    network = Network(forms.read(DARTS_V2), layout(), generator=generator(), auxiliary_image_size=(8, 8)).eval()
    x_bchw = torch.randn(2, 3, 8, 8, generator=generator())
    nothing = torch.zeros(2, network.classifier.in_features)
    logits_bk, auxiliary_bk = network.training_logits(x_bchw, None, nothing)
    torch.testing.assert_close(logits_bk, network.classifier.bias.expand(2, -1))
    torch.testing.assert_close(auxiliary_bk, network.training_logits(x_bchw, None)[1])


@pytest.mark.parametrize(("delay", "layer"), [(0, 4), (1, 5), (9, 5)])
def test_the_second_head_may_read_a_later_cell(delay, layer):
    network = Network(
        forms.read(DARTS_V2), layout(num_layers=6), generator=generator(), auxiliary_image_size=(8, 8),
        auxiliary_delay=delay,
    )  # fmt: skip
    assert network.auxiliary_layer == layer


def test_paths_are_dropped_as_often_as_asked_and_keep_their_mean():
    scale_pb = drop_paths(300, 100, 0.2, generator())
    assert set(scale_pb.unique().tolist()) == {0.0, 1.25}
    assert float((scale_pb == 0).float().mean()) == pytest.approx(0.2, abs=0.01)
    assert torch.equal(drop_paths(3, 2, 0.0, generator()), torch.ones(3, 2))
