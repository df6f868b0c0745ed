import pytest
import torch
from torch import nn

from cell_networks.layout import Layout
from darts_trainer.supernet.partial_channels import PartialEdge, bypass, edge_weights, join, split
from darts_trainer.supernet.supernet import Supernet

SPACE = ("separable_convolution_3x3", "max_pooling_3x3", "skip_connection", "none")


def supernet(*, partial_channels, plain=False, primitives=SPACE, **changes):
    sizes = {"num_layers": 3, "num_nodes": 2, "init_channels": 4, "stem_multiplier": 1}
    layout = Layout(**(sizes | changes), image_channels=3, num_classes=10)
    generator = torch.Generator().manual_seed(0)
    return Supernet(layout, primitives, generator=generator, plain=plain, partial_channels=partial_channels)


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_channels_are_shuffled_as_in_the_papers_code(k):
    x_bchw = images(2, 8, 3, 5)
    shuffled = join(*split(x_bchw, k), k)
    # A view as k groups, transposed: channel j of group g comes to place j * k + g.
    assert torch.equal(shuffled, x_bchw[:, [group * 8 // k + j for j in range(8 // k) for group in range(k)]])


def test_a_shuffled_part_has_channels_of_all_groups():
    x_bchw = torch.arange(16.0).view(1, 16, 1, 1)
    part, _ = split(join(*split(x_bchw, 4), 4), 4)
    assert part.flatten().tolist() == [0, 4, 8, 12]


@pytest.mark.parametrize(("size", "expected"), [((4, 6), (2, 3)), ((5, 7), (3, 4)), ((1, 3), (1, 2))])
def test_what_bypasses_a_reduction_is_pooled_and_rounds_up_as_the_operations_do(size, expected):
    x_bchw = images(2, 3, *size)
    assert bypass(x_bchw, 1) is x_bchw
    assert bypass(x_bchw, 2).shape == (2, 3, *expected)
    assert torch.equal(bypass(x_bchw, 2)[:, :, 0, 0], x_bchw[:, :, :2, :2].amax(dim=(2, 3)))
    last = x_bchw[:, :, (size[0] - 1) // 2 * 2 :, (size[1] - 1) // 2 * 2 :]
    assert torch.equal(bypass(x_bchw, 2)[:, :, -1, -1], last.amax(dim=(2, 3)))


class Scaled(nn.Module):
    def forward(self, x_bchw, weight_o):
        return weight_o.sum() * x_bchw


def test_an_edge_mixes_the_first_part_and_leaves_the_rest():
    x_bchw = images(2, 4, 3, 3)
    output = PartialEdge(Scaled(), k=2, stride=1)(x_bchw, torch.tensor([2.0, 3.0]))
    assert torch.equal(output[:, 0::2], 5 * x_bchw[:, :2])
    assert torch.equal(output[:, 1::2], x_bchw[:, 2:])


def test_edges_into_a_node_share_one():
    weight_e = edge_weights(torch.tensor([0.0, 1.0, 3.0, 3.0, 3.0]), [(0, 1), (0, 1, 2)])
    torch.testing.assert_close(weight_e[:2], torch.tensor([0.0, 1.0]).softmax(0))
    torch.testing.assert_close(weight_e[2:], torch.full((3,), 1 / 3))


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("k", [1, 2])
def test_an_edges_weight_weighs_all_of_its_channels(plain, k):
    """With all weight on the edges from node 0, what the others hold no longer reaches the output."""
    net = supernet(partial_channels=k, plain=plain, num_layers=1).eval()
    (cell,) = net.cells
    weight_eo = net.alpha_normal_eo.softmax(-1)
    weight_e = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
    with torch.no_grad():
        inputs = [images(1, 4, 8, 8), images(1, 4, 8, 8) + 1, images(1, 4, 8, 8) - 1]
        output_bchw = cell(inputs[0], inputs[1], weight_eo, weight_e)
        assert torch.equal(output_bchw, cell(inputs[0], inputs[2], weight_eo, weight_e))


def test_edges_weights_take_part_in_the_mixtures_and_so_in_the_genotype():
    net = supernet(partial_channels=2)
    with torch.no_grad():
        net.betas_by_kind["normal"].copy_(torch.tensor([2.0, 0.0, 0.0, 1.0, 3.0]))
    normal_eo, reduce_eo = net.mixtures()
    torch.testing.assert_close(normal_eo[:2].sum(dim=1), torch.tensor([2.0, 0.0]).softmax(0))
    torch.testing.assert_close(normal_eo[2:].sum(dim=1), torch.tensor([0.0, 1.0, 3.0]).softmax(0))
    assert reduce_eo is not None
    torch.testing.assert_close(normal_eo[2] / normal_eo[2].sum(), net.alpha_normal_eo[2].softmax(0))


def test_betas_are_architecture_and_no_weights():
    net = supernet(partial_channels=2)
    assert [tuple(alpha.shape) for alpha in net.alphas()] == [(5, 4), (5, 4), (5,), (5,)]
    assert len(net.alphas()) + len(net.weights()) == len(list(net.parameters()))


def test_betas_are_drawn_last_so_that_the_rest_is_that_of_the_papers_search():
    with_betas, without = supernet(partial_channels=1), supernet(partial_channels=None)
    for name, parameter in without.state_dict().items():
        assert torch.equal(parameter, with_betas.state_dict()[name])


def test_size_of_the_supernet_of_the_papers_code():
    """16 channels, 8 cells of 4 nodes, 8 operations, K = 4.

    An edge of p channels has 102 p + 6 p^2 weights, p^2 more at stride 2: 14 edges of 4 channels in 2 cells, of 8 in 3
    and of 16 in 3, 8 of them at stride 2 in each reduction cell, and 99,450 weights outside of the edges.
    """
    paper = (
        "max_pooling_3x3",
        "avg_pooling_3x3",
        "skip_connection",
        "separable_convolution_3x3",
        "separable_convolution_5x5",
        "dilated_convolution_3x3",
        "dilated_convolution_5x5",
        "none",
    )
    sizes = {"num_layers": 8, "num_nodes": 4, "init_channels": 16, "stem_multiplier": 3}
    net = supernet(partial_channels=4, primitives=paper, **sizes)
    assert sum(weight.numel() for weight in net.weights()) == 299_578
