import pytest
import torch
from torch import nn

from cell_networks.layout import Layout
from darts_genotype.primitives import NONE, PRIMITIVES
from darts_trainer.supernet.plain_cell import MixedOperation
from darts_trainer.supernet.supernet import Supernet, frozen_statistics

PAPER_PRIMITIVES = (
    "max_pooling_3x3",
    "avg_pooling_3x3",
    "skip_connection",
    "separable_convolution_3x3",
    "separable_convolution_5x5",
    "dilated_convolution_3x3",
    "dilated_convolution_5x5",
    "none",
)


def layout(**changes):
    sizes = {
        "num_layers": 3,
        "num_nodes": 2,
        "init_channels": 2,
        "stem_multiplier": 3,
        "image_channels": 3,
        "num_classes": 10,
    }
    return Layout(**(sizes | changes))


def supernet(primitives=("max_pooling_3x3", "skip_connection", NONE), seed=0, *, plain=False, **changes):
    return Supernet(layout(**changes), primitives, generator=torch.Generator().manual_seed(seed), plain=plain)


def images(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("plain", [True, False])
def test_size_of_the_papers_supernet(plain):
    net = supernet(PAPER_PRIMITIVES, plain=plain, num_layers=8, num_nodes=4, init_channels=16)
    assert sum(w.numel() for w in net.weights()) == 1_930_618
    assert [tuple(alpha.shape) for alpha in net.alphas()] == [(14, 8), (14, 8)]


@pytest.mark.fault(18)
def test_no_alpha_is_among_the_weights():
    net = supernet()
    weights, alphas = {id(w) for w in net.weights()}, {id(a) for a in net.alphas()}
    assert not weights & alphas
    assert weights | alphas == {id(p) for p in net.parameters()}
    assert {id(net.alpha_normal_eo), id(net.alpha_reduce_eo)} == alphas


def test_first_alphas_are_small_and_drawn_from_the_generator():
    alphas = torch.cat([a.flatten() for a in supernet(PRIMITIVES, num_nodes=4).alphas()])
    assert 0.8e-3 < alphas.std().item() < 1.2e-3
    assert torch.equal(supernet(seed=3).alpha_normal_eo, supernet(seed=3).alpha_normal_eo)
    assert not torch.equal(supernet(seed=3).alpha_normal_eo, supernet(seed=4).alpha_normal_eo)


def test_weights_are_drawn_from_the_generator():
    assert torch.equal(supernet(seed=3).stem[0].weight, supernet(seed=3).stem[0].weight)


@pytest.mark.parametrize("num_layers", [1, 2, 3, 5])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 9, 7), (4, 5, 5)])
@pytest.mark.parametrize("plain", [True, False])
def test_forward_at_any_depth_and_image_size(num_layers, channels, height, width, plain):
    net = supernet((*PRIMITIVES, NONE), plain=plain, num_layers=num_layers, image_channels=channels, num_classes=7)
    assert net(images(2, channels, height, width)).shape == (2, 7)


def test_the_smallest_supernet_of_katibs_cpu_example():
    net = supernet(("max_pooling_3x3", NONE), num_layers=1, num_nodes=1, init_channels=1, stem_multiplier=1)
    assert net(images(4, 3, 32, 32)).shape == (4, 10)
    assert net.alpha_reduce_eo is None
    assert [tuple(alpha.shape) for alpha in net.alphas()] == [(2, 2)]


def test_one_channel_everywhere_with_reductions():
    net = supernet((*PRIMITIVES, NONE), init_channels=1, stem_multiplier=1, image_channels=1)
    assert net(images(2, 1, 32, 32)).shape == (2, 10)


def test_reductions_halve_only_at_the_inputs():
    net = supernet(("skip_connection",), num_layers=2, plain=True)
    normal, reduction = net.cells
    assert (normal.is_reduction, reduction.is_reduction) == (False, True)
    halving = [[not isinstance(edge.operations[0], nn.Identity) for edge in edges] for edges in reduction.nodes]
    assert halving == [[True, True], [True, True, False]]
    assert all(isinstance(edge.operations[0], nn.Identity) for edges in normal.nodes for edge in edges)


def test_mixture_is_the_weighted_sum_of_the_operations():
    edge = MixedOperation(PRIMITIVES, 2, 1).double()
    x_bchw = images(3, 2, 6, 6).double()
    weight_o = torch.linspace(0.1, 0.9, len(PRIMITIVES), dtype=torch.float64)
    expected = torch.zeros_like(x_bchw)
    for weight, operation in zip(weight_o, edge.operations, strict=True):
        expected += weight * operation(x_bchw)
    torch.testing.assert_close(edge(x_bchw, weight_o), expected)


def test_alphas_of_a_kind_reach_only_the_cells_of_that_kind():
    net = supernet(num_layers=2).eval()
    x_bchw = images(2, 3, 8, 8)
    before = net.cells[0](net.stem(x_bchw), net.stem(x_bchw), net.alpha_normal_eo.softmax(-1))
    logits = net(x_bchw)
    with torch.no_grad():
        net.alpha_reduce_eo[:, 0] += 5
    after = net.cells[0](net.stem(x_bchw), net.stem(x_bchw), net.alpha_normal_eo.softmax(-1))
    assert torch.equal(before, after)
    assert not torch.allclose(logits, net(x_bchw))


def test_an_edges_alphas_weigh_that_edge():
    """With all of an edge's weight on `none`, what its source holds no longer reaches the node."""
    net = supernet(("skip_connection", NONE), num_layers=1, num_nodes=2).eval()
    cell = net.cells[0]
    a, b = images(1, 6, 8, 8, seed=1), images(1, 6, 8, 8, seed=2)
    # Edges: node 2 from 0 and 1, node 3 from 0, 1 and 2.
    weight_eo = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    output_bchw = cell(a, b, weight_eo)
    assert torch.equal(output_bchw, cell(images(1, 6, 8, 8, seed=9), b, weight_eo))
    assert torch.equal(output_bchw[:, :2], output_bchw[:, 2:])
    assert torch.equal(output_bchw[:, :2], cell.inputs[1](b))


@pytest.mark.parametrize("plain", [True, False])
def test_an_auxiliary_skip_adds_its_source_to_each_edge(plain):
    """With all of the alphas' weight on `none`, the auxiliary skips are what is left."""
    generator = torch.Generator().manual_seed(0)
    sizes = layout(num_layers=1, num_nodes=2)
    net = Supernet(sizes, ("skip_connection", NONE), generator=generator, plain=plain, auxiliary_skip=True).eval()
    with torch.no_grad():
        net.alpha_normal_eo.copy_(torch.tensor([-100.0, 100.0]).expand(5, 2))
    net.auxiliary_weight.fill_(0.5)
    x_bchw = images(1, 3, 8, 8)
    (cell,), stem = net.cells, net.stem(x_bchw)
    first, second = cell.inputs[0](stem), cell.inputs[1](stem)
    node = 0.5 * (first + second)
    output_bchw = torch.cat([node, 0.5 * (first + second + node)], dim=1)
    torch.testing.assert_close(net(x_bchw), net.classifier(output_bchw.mean(dim=(2, 3))))


def test_an_auxiliary_skip_is_no_candidate():
    generator = torch.Generator().manual_seed(0)
    net = Supernet(layout(), ("max_pooling_3x3", "skip_connection", NONE), generator=generator, auxiliary_skip=True)
    assert [tuple(alpha.shape) for alpha in net.alphas()] == [(5, 3), (5, 3)]
    assert [tuple(weight_eo.shape) for weight_eo in net.mixtures()] == [(5, 3), (5, 3)]
    # Those of the reductions have weights: of four edges, each two convolutions of half of the channels.
    without = supernet(("max_pooling_3x3", "skip_connection", NONE))
    count = [sum(weight.numel() for weight in one.weights()) for one in (net, without)]
    assert count[0] - count[1] == 4 * (4 * 4 + 8 * 8)


def test_frozen_statistics_change_no_buffer_and_no_output():
    net = supernet()
    x_bchw = images(4, 3, 8, 8)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with frozen_statistics(net):
        frozen = net(x_bchw)
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    assert torch.equal(net(x_bchw), frozen)
    assert any(not torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


def test_statistics_move_again_after_an_exception_within():
    net = supernet()
    with pytest.raises(KeyError), frozen_statistics(net):
        raise KeyError
    net(images(4, 3, 8, 8))
    assert net.stem[1].num_batches_tracked.item() == 1
