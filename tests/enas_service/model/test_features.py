import numpy as np
import pytest

from enas_service.model.features import Features
from enas_service.model.region import Region
from enas_service.spaces.space import Attribute


@pytest.fixture
def region(space):
    return Region.of(space)


def similarities(region, one, other):
    """Of each feature, between two networks."""
    left, right = region.columns(np.stack([one, other]))
    return np.add.reduceat(left * right, region.features.start_f)


def of_kind(region, kind, form):
    return np.flatnonzero(region.features.kind_f == region.features.kinds.index((kind, form)))


def test_a_network_is_altogether_like_itself(region, random):
    columns = region.columns(region.draw(50, random))
    assert np.add.reduceat(columns**2, region.features.start_f, axis=1) == pytest.approx(1)


def test_every_similarity_is_between_none_and_all(region, random):
    columns = region.columns(region.draw(20, random))
    for start, stop in zip(region.features.start_f, [*region.features.start_f[1:], None], strict=True):
        product = columns[:, start:stop] @ columns[:, start:stop].T
        assert product.min() >= 0
        assert product.max() <= 1 + 1e-6


def test_kinds_are_told_in_the_forms_that_they_have(region):
    assert set(region.features.kinds) == {
        ("operation", "same"), ("operation", "count"),
        ("operation.filter_size", "same"), ("operation.filter_size", "near"), ("operation.filter_size", "count"),
        ("operation.separable", "same"), ("operation.separable", "count"),
        ("join", "same"), ("join", "count"),
    }  # fmt: skip


@pytest.mark.parametrize(("one", "other", "near"), [(0, 0, 1), (0, 2, 0.5), (0, 4, 0), (6, 6, 1), (0, 6, 0), (4, 6, 0)])
def test_near_numbers_are_alike_and_what_has_none_is_only_like_itself(region, one, other, near):
    """Operations 0, 2 and 4 have filters of 3, 5 and 7; operation 6 is the pooling."""
    networks = np.zeros((2, 10), dtype=np.int32)
    networks[:, 0] = one, other
    first_layer = of_kind(region, "operation.filter_size", "near")[0]
    assert similarities(region, *networks)[first_layer] == pytest.approx(near)


def test_counts_are_alike_when_only_the_places_differ(region):
    one, other = np.array([[0, 0, 6, 6, 1, 0, 0, 0, 0, 0], [6, 0, 6, 0, 0, 0, 0, 1, 1, 0]], dtype=np.int32)
    alike = similarities(region, one, other)
    assert alike[of_kind(region, "operation", "count")] == pytest.approx(1)
    assert alike[of_kind(region, "operation", "same")].tolist() == [0, 1, 1, 0]
    # One join against two among six places: five are shared.
    assert alike[of_kind(region, "join", "count")] == pytest.approx(5 / 6)


def attribute(place, set_of, values=("a", "b", "c")):
    return Attribute(name=f"{place}", kind="edge", values=values, is_ordered=False, decision=place, set_of=set_of)


def test_of_a_set_the_order_means_nothing():
    """Two nodes of two edges each: of a node it counts how many edges are the same, and not which."""
    features = Features([attribute(place, place // 2) for place in range(4)])
    assert features.kinds == [("edge", "set"), ("edge", "count")]
    assert features.decisions_f == [[0, 1], [2, 3], [0, 1, 2, 3]]
    one, other = features(np.array([[0, 1, 2, 2], [1, 0, 2, 0]]))
    assert np.add.reduceat(one * other, features.start_f) == pytest.approx([1, 1 / 2, 3 / 4])


def test_a_kind_that_is_one_set_is_told_once():
    assert Features([attribute(place, 0) for place in range(2)]).kinds == [("edge", "set")]


def test_nothing_to_describe_is_no_column():
    features = Features([])
    assert features(np.zeros((3, 0), dtype=np.int32)).shape == (3, 0)
