import pytest
import torch
from torch import nn

from cell_networks import operations
from darts_genotype.primitives import NONE, PRIMITIVES


@pytest.mark.parametrize("primitive", [*PRIMITIVES, NONE])
@pytest.mark.parametrize(("stride", "size", "expected"), [(1, 7, 7), (2, 8, 4), (2, 7, 4), (2, 1, 1)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_primitive_keeps_channels_and_divides_the_size(primitive, stride, size, expected, channels):
    operation = operations.build(primitive, channels, stride, affine=False)
    x_bchw = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    assert operation(x_bchw).shape == (2, channels, expected, expected)


@pytest.mark.parametrize("primitive", PRIMITIVES)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norms_learn_a_scale_only_where_asked(primitive, affine):
    norms = [m for m in operations.build(primitive, 4, 2, affine=affine).modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.affine is affine for norm in norms)


def num_weights(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("primitive", "expected"),
    [
        ("separable_convolution_3x3", 2 * (9 * 6 + 36)),
        ("separable_convolution_7x7", 2 * (49 * 6 + 36)),
        ("dilated_convolution_5x5", 25 * 6 + 36),
        ("max_pooling_3x3", 0),
        ("skip_connection", 0),
        ("none", 0),
    ],
)
def test_number_of_weights(primitive, expected):
    assert num_weights(operations.build(primitive, 6, 1, affine=False)) == expected


def impulse_response(primitive):
    """Which pixels one pixel reaches, in the centre row of a 13x13 image."""
    operation = operations.build(primitive, 1, 1, affine=True).eval()
    for parameter in operation.parameters():
        nn.init.ones_(parameter)
    x_bchw = torch.zeros(1, 1, 13, 13)
    x_bchw[0, 0, 6, 6] = 1
    background = operation(torch.zeros(1, 1, 13, 13))
    row_w = (operation(x_bchw) - background)[0, 0, 6]
    return (row_w.abs() > 1e-6).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("primitive", "expected"),
    [
        ("separable_convolution_3x3", [4, 5, 6, 7, 8]),
        ("dilated_convolution_3x3", [4, 6, 8]),
        ("dilated_convolution_5x5", [2, 4, 6, 8, 10]),
        ("max_pooling_3x3", [5, 6, 7]),
        ("avg_pooling_3x3", [5, 6, 7]),
        ("skip_connection", [6]),
    ],
)
def test_reach(primitive, expected):
    # A separable convolution is applied twice, so 3x3 reaches two pixels; a dilated one leaves every other pixel out.
    assert impulse_response(primitive) == expected


def test_average_pool_counts_only_pixels_of_the_image():
    operation = operations.build("avg_pooling_3x3", 1, 1, affine=False).eval()
    torch.testing.assert_close(operation(torch.ones(1, 1, 5, 5)), torch.ones(1, 1, 5, 5), rtol=1e-4, atol=0)


@pytest.mark.parametrize("size", [5, 6])
def test_factorized_reduce_reads_every_pixel(size):
    operation = operations.FactorizedReduce(1, 2, affine=True).eval()
    x_bchw = torch.ones(1, 1, size, size, requires_grad=True)
    for parameter in operation.parameters():
        nn.init.ones_(parameter)
    operation(x_bchw).sum().backward()
    touched = x_bchw.grad[0, 0] != 0
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    assert torch.equal(touched, rows % 2 == columns % 2)


def test_initialisation_depends_on_the_generator_alone():
    def drawn(seed):
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 6))
        operations.initialise(module, torch.Generator().manual_seed(seed))
        return torch.cat([p.detach().flatten() for p in module.parameters()])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_initialisation_has_torchs_bounds():
    layer = nn.Conv2d(16, 200, 3)
    operations.initialise(layer, torch.Generator().manual_seed(0))
    bound = 1 / (16 * 9) ** 0.5
    assert 0.95 * bound < layer.weight.abs().max().item() <= bound
    assert 0.9 * bound < layer.bias.abs().max().item() <= bound
