import pytest

from cell_networks.layout import Layout, cell_places, edge_sources, reduction_layers


@pytest.mark.parametrize(
    ("num_layers", "expected"), [(1, set()), (2, {1}), (3, {1, 2}), (4, {1, 2}), (8, {2, 5}), (20, {6, 13})]
)
def test_reduction_cells_stand_at_a_third_and_two_thirds_but_never_first(num_layers, expected):
    assert reduction_layers(num_layers) == expected


def test_channels_double_at_reductions():
    layout = Layout(num_layers=8, num_nodes=4, init_channels=16, stem_multiplier=3, image_channels=3, num_classes=10)
    places = list(cell_places(layout))
    assert [place.channels for place in places] == [16, 16, 32, 32, 32, 64, 64, 64]
    assert [place.channels_previous for place in places] == [48, 64, 64, 128, 128, 128, 256, 256]
    assert [place.channels_before_previous for place in places] == [48, 48, 64, 64, 128, 128, 128, 256]
    assert [place.is_reduction for place in places] == [layer in (2, 5) for layer in range(8)]
    assert [place.follows_reduction for place in places] == [layer in (3, 6) for layer in range(8)]
    assert places[-1].output_channels == 256


def test_an_output_may_concatenate_fewer_nodes_or_more():
    layout = Layout(num_layers=3, num_nodes=4, init_channels=16, stem_multiplier=3, image_channels=3, num_classes=10)
    places = list(cell_places(layout, num_normal=5, num_reduce=3))
    assert [place.output_channels for place in places] == [5 * 16, 3 * 32, 3 * 64]
    assert [place.channels_previous for place in places] == [48, 80, 96]


def test_each_node_of_a_supernet_has_an_edge_from_all_earlier_ones():
    assert edge_sources(3) == [(0, 1), (0, 1, 2), (0, 1, 2, 3)]
