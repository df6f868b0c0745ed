import itertools
import json

import numpy as np
import pytest

from enas_service.spaces.macro import MacroSpace
from enas_service.spaces.space import ForeignAssignments
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.wire import api_pb2, converters


def categorical(build, name, *texts):
    return build.parameter(name, api_pb2.CATEGORICAL, list=texts)


def katibs_gpu_operations(build):
    sizes = categorical(build, "filter_size", "3", "5", "7")
    filters = categorical(build, "num_filter", "32", "48", "64", "96", "128")
    strides = categorical(build, "stride", "1", "2")
    multipliers = categorical(build, "depth_multiplier", "1", "2")
    return [
        build.operation("convolution", sizes, filters, strides),
        build.operation("separable_convolution", sizes, filters, strides, multipliers),
        build.operation("depthwise_convolution", sizes, strides, multipliers),
        build.operation(
            "reduction",
            categorical(build, "reduction_type", "max_pooling", "avg_pooling"),
            build.parameter("pool_size", api_pb2.INT, min="2", max="3", step="1"),
        ),
    ]


@pytest.fixture
def space(build):
    return MacroSpace.of(converters.experiment(build.enas(*katibs_gpu_operations(build), num_layers=8)))


def test_katibs_example_has_106_operations_in_order(space):
    kinds = [operation.type for operation in space.operations]
    assert len(kinds) == 106
    assert [kinds.count(kind) for kind in dict.fromkeys(kinds)] == [30, 60, 12, 4]
    # The source document's example: ids and what they mean there.
    described = {
        3: {"filter_size": "3", "num_filter": "48", "stride": "2"},
        9: {"filter_size": "3", "num_filter": "128", "stride": "2"},
        11: {"filter_size": "5", "num_filter": "32", "stride": "2"},
        13: {"filter_size": "5", "num_filter": "48", "stride": "2"},
        22: {"filter_size": "7", "num_filter": "48", "stride": "1"},
        26: {"filter_size": "7", "num_filter": "96", "stride": "1"},
        27: {"filter_size": "7", "num_filter": "96", "stride": "2"},
        29: {"filter_size": "7", "num_filter": "128", "stride": "2"},
        102: {"reduction_type": "max_pooling", "pool_size": 2},
    }
    assert {index: dict(space.operations[index].parameters) for index in described} == described


SOURCE_ARCHITECTURE = (
    "[[27], [29, 0], [22, 1, 0], [13, 0, 0, 0], [26, 1, 1, 0, 0], [30, 1, 0, 1, 0, 0], "
    "[11, 0, 1, 1, 0, 1, 1], [9, 1, 0, 0, 1, 0, 0, 0]]"
)


def test_the_source_documents_architecture_is_read_and_printed_unchanged(space):
    decisions = space.read({"architecture": SOURCE_ARCHITECTURE})
    assert decisions[:8].tolist() == [27, 29, 22, 13, 26, 30, 11, 9]
    written = space.write(decisions)
    assert list(written) == ["architecture", "nn_config"]
    assert written["architecture"] == SOURCE_ARCHITECTURE
    config = json.loads(written["nn_config"].replace("'", '"'))
    assert list(config) == ["num_layers", "input_sizes", "output_sizes", "embedding"]
    assert (config["num_layers"], config["input_sizes"], config["output_sizes"]) == (8, [32, 32, 3], [10])
    assert list(config["embedding"]) == ["27", "29", "22", "13", "26", "30", "11", "9"]
    assert config["embedding"]["27"] == {
        "opt_id": 27,
        "opt_type": "convolution",
        "opt_params": {"filter_size": "7", "num_filter": "96", "stride": "2"},
    }


SOURCE_MATRIX = (
    "[[2], [0, 0], [1, 1, 0], [5, 1, 0, 1], [1, 1, 1, 0, 1], [5, 0, 0, 1, 0, 1], [1, 1, 1, 0, 0, 1, 0], "
    "[2, 0, 0, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 1, 0], [2, 0, 1, 0, 1, 1, 1, 0, 0, 0], "
    "[3, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1], [0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0]]"
)


def test_the_source_documents_matrix_of_12_layers_and_6_operations(build):
    sizes = categorical(build, "filter_size", "1", "2", "3", "4", "5", "6")
    space = MacroSpace.of(converters.experiment(build.enas(build.operation("convolution", sizes), num_layers=12)))
    decisions = space.read({"architecture": SOURCE_MATRIX})
    assert decisions[:12].tolist() == [2, 0, 1, 5, 1, 5, 1, 2, 0, 2, 3, 0]
    assert decisions[12:18].tolist() == [0, 1, 0, 1, 0, 1]
    assert space.write(decisions)["architecture"] == SOURCE_MATRIX


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a value"),
        ("7", "expected a list of 4 rows"),
        ("[[0], [0, 1]]", "expected a list of 4 rows"),
        ("[[0], [0, 1], [0, 1], [0, 1, 1, 1]]", "row 3: expected 3 integers, not 2"),
        ("[[0], [0, 2], [0, 1, 1], [0, 1, 1, 1]]", "row 2: the bits must be 0 or 1"),
        ("[[5], [0, 1], [0, 1, 1], [0, 1, 1, 1]]", "row 1: there is no operation 5"),
        ("[[-1], [0, 1], [0, 1, 1], [0, 1, 1, 1]]", "row 1: there is no operation -1"),
        ("[[0], [0, true], [0, 1, 1], [0, 1, 1, 1]]", "row 2: expected a list of integers"),
        ("[[0], 0, [0, 1, 1], [0, 1, 1, 1]]", "row 2: expected a list of integers"),
        ("[[], [0, 1], [0, 1, 1], [0, 1, 1, 1]]", "row 1: expected 1 integers, not 0"),
    ],
)
def test_what_is_no_architecture_of_this_space_is_refused(build, text, said):
    space = MacroSpace.of(converters.experiment(build.enas()))
    with pytest.raises(ForeignAssignments) as caught:
        space.read({"architecture": text})
    assert said in str(caught.value)


@pytest.mark.fault(11)
@pytest.mark.parametrize("num_layers", [0, -3, 100_000])
def test_a_depth_that_cannot_be_built_is_refused(build, num_layers):
    with pytest.raises(InvalidExperiment, match=f"numLayers: {num_layers}"):
        MacroSpace.of(converters.experiment(build.enas(num_layers=num_layers)))


@pytest.mark.fault(10)
def test_no_operations_are_refused(build):
    message = build.enas()
    del message.spec.nas_config.operations.operation[:]
    with pytest.raises(InvalidExperiment, match=r"nasConfig\.operations: \[\]"):
        MacroSpace.of(converters.experiment(message))


@pytest.mark.parametrize("kind", ["", "it's", "$(id)", "a\nb"])
def test_the_name_of_an_operation_is_checked(build, kind):
    with pytest.raises(InvalidExperiment, match=r"operations\[0\]\.operationType"):
        MacroSpace.of(converters.experiment(build.enas(build.operation(kind))))


def test_a_product_that_explodes_is_refused_before_it_is_made(build):
    wide = [build.parameter(f"p{index}", api_pb2.INT, min="1", max="1000") for index in range(10)]
    with pytest.raises(InvalidExperiment, match="at most 10000 operations"):
        MacroSpace.of(converters.experiment(build.enas(build.operation("convolution", *wide))))


@pytest.mark.parametrize(("field", "sizes"), [("input_sizes", []), ("input_sizes", [32, 0]), ("output_sizes", [-1])])
def test_sizes_are_checked(build, field, sizes):
    message = build.enas()
    graph = message.spec.nas_config.graph_config
    graph.ClearField(field)
    getattr(graph, field).extend(sizes)
    with pytest.raises(InvalidExperiment, match="it must list integers >= 1"):
        MacroSpace.of(converters.experiment(message))


def test_an_operation_without_parameters_is_one_choice(build):
    space = MacroSpace.of(converters.experiment(build.enas(build.operation("identity"))))
    assert [(operation.type, operation.parameters) for operation in space.operations] == [("identity", ())]


def test_decisions_are_what_keys_and_assignments_say_of_them(space):
    random = np.random.default_rng(0)
    for _ in range(20):
        decisions = space.draw(random)
        assert decisions.shape == (len(space.counts),) == (8 + 28,)
        assert np.all((decisions >= 0) & (decisions < space.counts))
        assert np.array_equal(space.of_key(space.key(decisions)), decisions)
        assert np.array_equal(space.read(space.write(decisions)), decisions)
        assert len(str(space.write(decisions))) <= space.max_suggestion_bytes


def test_every_architecture_has_a_key_of_its_own(build):
    small = MacroSpace.of(converters.experiment(build.enas(build.operation("a"), build.operation("b"), num_layers=3)))
    every = itertools.product(*map(range, small.counts))
    assert len({small.key(np.array(one, np.int32)) for one in every}) == small.size == 64


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: key + b"\0", lambda key: b"\x80" + key[1:]])
def test_what_is_no_key_is_refused(space, change):
    key = space.key(space.draw(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="no key of 8 layers, 106 operations"):
        space.of_key(change(key))


def test_a_key_of_0_1_0_is_read(build):
    """Operations as int32, then the lower triangle of the joins' matrix, 8 places a byte; checkpoints hold them."""
    space = MacroSpace.of(converters.experiment(build.enas(num_layers=3)))
    decisions = space.read({"architecture": "[[4], [0, 1], [2, 0, 1]]"})
    assert space.key(decisions) == bytes([4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0b00010001, 0])
    assert np.array_equal(space.of_key(space.key(decisions)), decisions)


def test_decisions_are_described_by_what_operations_share(space):
    decisions = space.read({"architecture": SOURCE_ARCHITECTURE})
    places = space.described(decisions[np.newaxis])[0]
    values = {one.name: one.values[place] for one, place in zip(space.attributes, places, strict=True)}
    # Layer 6 has operation 30, the first separable convolution, and joins of the image and of layer 2.
    assert {name: value for name, value in values.items() if name.startswith("layer 6: ")} == {
        "layer 6: operation": "separable_convolution",
        "layer 6: operation.filter_size": "3",
        "layer 6: operation.num_filter": "32",
        "layer 6: operation.stride": "1",
        "layer 6: operation.depth_multiplier": "1",
        "layer 6: operation.reduction_type": None,
        "layer 6: operation.pool_size": None,
        "layer 6: join 0": "1",
        "layer 6: join 1": "0",
        "layer 6: join 2": "1",
        "layer 6: join 3": "0",
        "layer 6: join 4": "0",
    }


def test_attributes_say_which_decision_they_describe_and_what_kind_they_are(space):
    assert len({one.name for one in space.attributes}) == len(space.attributes) == 8 * 7 + 28
    assert sorted({one.decision for one in space.attributes}) == list(range(len(space.counts)))
    kinds = {one.kind: one for one in space.attributes}
    assert kinds["operation.filter_size"].values == ("3", "5", "7", None)
    assert [kind for kind, one in kinds.items() if not one.is_ordered] == ["operation", "operation.reduction_type"]
    random = np.random.default_rng(0)
    one, other = space.draw(random), space.draw(random)
    for decision in range(len(space.counts)):
        changed = one.copy()
        changed[decision] = other[decision]
        differs = np.any(space.described(np.stack([one])) != space.described(np.stack([changed])), axis=0)
        described = [one.decision == decision for one in space.attributes]
        assert not np.any(differs & ~np.array(described))
        assert differs.any() == (one[decision] != other[decision])
