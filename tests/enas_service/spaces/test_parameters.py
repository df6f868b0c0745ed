import itertools
from collections import Counter

import numpy as np
import pytest

from enas_service.spaces.parameters import ParameterSpace
from enas_service.spaces.space import ForeignAssignments
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.wire import api_pb2, converters


def space_of(build, *parameters):
    return ParameterSpace.of(converters.experiment(build.plain(*parameters)))


@pytest.fixture
def space(build):
    return space_of(
        build,
        build.parameter("lr", api_pb2.DOUBLE, min="0.1", max="0.3", step="0.1"),
        build.parameter("layers", api_pb2.INT, min="2", max="3"),
        build.parameter("width", api_pb2.DISCRETE, list=["64", "16.0"]),
        build.parameter("optimizer", api_pb2.CATEGORICAL, list=["sgd", "adam"]),
        build.parameter("fixed", api_pb2.CATEGORICAL, list=["yes"]),
    )


def test_every_combination_is_written_read_and_keyed_as_itself(space):
    combinations = [np.array(one, dtype=np.int32) for one in itertools.product(*map(range, space.counts))]
    assert len(combinations) == space.size == 24
    texts = {tuple(space.write(one).items()) for one in combinations}
    assert len(texts) == 24
    for one in combinations:
        assert space.read(space.write(one)).tolist() == one.tolist()
        assert space.of_key(space.key(one)).tolist() == one.tolist()
        longest = sum(len(name) + len(value) for name, value in space.write(one).items())
        assert longest <= space.max_suggestion_bytes
    assert dict(next(iter(sorted(texts)))) == {
        "lr": "0.1", "layers": "2", "width": "16.0", "optimizer": "adam", "fixed": "yes"
    }  # fmt: skip


def test_draws_are_uniform(space):
    random = np.random.default_rng(0)
    drawn = Counter(space.key(space.draw(random)) for _ in range(12_000))
    # Five standard deviations of a binomial share.
    assert len(drawn) == 24
    assert all(abs(count - 500) < 5 * np.sqrt(500) for count in drawn.values())


def test_numbers_are_ordered_and_what_is_one_value_is_not_described(space):
    described = {one.name: (one.values, one.is_ordered, one.decision) for one in space.attributes}
    assert described == {
        "lr": (("0.1", "0.2", "0.3"), True, 0),
        "layers": (("2", "3"), True, 1),
        "width": (("16.0", "64"), True, 2),
        "optimizer": (("sgd", "adam"), False, 3),
    }
    decisions_nd = np.array([[2, 0, 1, 1, 0], [0, 1, 0, 0, 0]], dtype=np.int32)
    assert space.described(decisions_nd).tolist() == [[2, 0, 1, 1], [0, 1, 0, 0]]


def test_texts_that_are_numbers_are_described_in_their_order(build):
    space = space_of(build, build.parameter("size", api_pb2.CATEGORICAL, list=["16", "4", "8"]))
    (attribute,) = space.attributes
    assert (attribute.values, attribute.is_ordered) == (("4", "8", "16"), True)
    assert space.described(np.array([[0], [1], [2]], dtype=np.int32)).tolist() == [[2], [0], [1]]
    assert space.write(np.array([0])) == {"size": "16"}


def test_parameters_that_differ_in_a_number_are_one_kind(build):
    def widths(name, *texts):
        return build.parameter(name, api_pb2.CATEGORICAL, list=texts)

    space = space_of(
        build, widths("layer-1", "a", "b"), widths("other", "a", "b"), widths("layer-2", "a", "b"),
        widths("layer-3", "a", "c"),
    )  # fmt: skip
    assert [one.kind for one in space.attributes] == ["layer-1", "other", "layer-1", "layer-3"]
    assert space.kinds == (0, 1, 0, 3)


def test_the_notes_say_which_values_were_made(build):
    space = space_of(
        build,
        build.parameter("lr", api_pb2.DOUBLE, min="1e-3", max="1", distribution=api_pb2.LOG_UNIFORM),
        build.parameter("layers", api_pb2.INT, min="1", max="4"),
    )
    (note,) = space.notes
    assert note.startswith("lr: of its range these are tried, even in the logarithm: 0.001, 0.00158")


@pytest.mark.parametrize(
    "assignments", [{}, {"lr": "0.1"}, {"lr": "0.10", "layers": "2", "width": "64", "optimizer": "sgd", "fixed": "yes"}]
)
def test_assignments_of_another_space_are_told_from_ours(space, assignments):
    with pytest.raises(ForeignAssignments, match="is none of its values"):
        space.read(assignments)


@pytest.mark.parametrize("key", [b"", b"\0\0\0\0", b"\0\0\0\0\0\0", b"\3\0\0\0\0"])
def test_what_is_no_key_is_refused(space, key):
    with pytest.raises(ValueError, match="no key of 5 parameters"):
        space.of_key(key)


def test_too_many_parameters_names_and_bytes_are_refused(build):
    def many(count, text="x"):
        return [build.parameter(f"p{index}", api_pb2.CATEGORICAL, list=[text, "y"]) for index in range(count)]

    assert len(space_of(build, *many(100)).choices) == 100
    with pytest.raises(InvalidExperiment, match=r"^parameters: 101 is not allowed: at most 100"):
        space_of(build, *many(101))
    with pytest.raises(InvalidExperiment, match=r"^parameters\[1\]\.name: 'p0' .*only once"):
        space_of(build, *many(1), *many(1))
    with pytest.raises(InvalidExperiment, match=r"^parameters: .*have fewer parameters or shorter texts"):
        space_of(build, *many(100, "x" * 1_000))
