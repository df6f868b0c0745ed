import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import config
from enas_trainer.macro.config import NetworkConfig
from enas_trainer.macro.operation_types import Convolution, DepthwiseConvolution, Reduction, SeparableConvolution
from katib_suggestion.parsing import assignment

ARCHITECTURE = "[[1], [0, 1], [2, 0, 1], [7, 1, 0, 1]]"
NN_CONFIG = {
    "num_layers": 4,
    "input_sizes": [32, 24, 3],
    "output_sizes": [10],
    "embedding": {
        "0": {
            "opt_id": 0,
            "opt_type": "convolution",
            "opt_params": {"filter_size": "7", "num_filter": "48", "stride": "2"},
        },
        "1": {
            "opt_id": 1,
            "opt_type": "separable_convolution",
            "opt_params": {"filter_size": "3", "num_filter": "32", "stride": "1", "depth_multiplier": "2"},
        },
        "2": {
            "opt_id": 2,
            "opt_type": "depthwise_convolution",
            "opt_params": {"filter_size": "5", "stride": "2", "depth_multiplier": "1"},
        },
        "7": {"opt_id": 7, "opt_type": "reduction", "opt_params": {"reduction_type": "avg_pooling", "pool_size": 2}},
    },
}


def _read(architecture=ARCHITECTURE, nn_config=NN_CONFIG):
    return config.read(architecture, assignment.encode(nn_config))


def _changed(path, value):
    """NN_CONFIG with another value at a dotted path."""
    changed = copy.deepcopy(NN_CONFIG)
    *parents, last = path.split(".")
    place = changed
    for name in parents:
        place = place[name]
    place[last] = value
    return changed


def _without(path):
    changed = copy.deepcopy(NN_CONFIG)
    *parents, last = path.split(".")
    place = changed
    for name in parents:
        place = place[name]
    del place[last]
    return changed


def test_both_texts_become_typed_values():
    architecture, network = _read()

    assert architecture.rows == ((1,), (0, 1), (2, 0, 1), (7, 1, 0, 1))
    assert network == NetworkConfig(
        num_layers=4,
        input_sizes=(32, 24, 3),
        output_sizes=(10,),
        embedding={
            0: Convolution(filter_size=7, num_filter=48, stride=2),
            1: SeparableConvolution(filter_size=3, num_filter=32, stride=1, depth_multiplier=2),
            2: DepthwiseConvolution(filter_size=5, stride=2, depth_multiplier=1),
            7: Reduction(reduction_type="avg_pooling", pool_size=2),
        },
    )
    assert network.num_classes == 10


def test_bit_k_of_a_row_joins_layer_k_and_the_layer_before_always_feeds():
    architecture, _ = _read()

    assert [architecture.operation(layer) for layer in (1, 2, 3, 4)] == [1, 0, 2, 7]
    assert [architecture.sources(layer) for layer in (1, 2, 3, 4)] == [(0,), (1, 0), (2, 1), (3, 0, 2)]


def test_an_architecture_is_printed_back_unchanged():
    architecture, _ = _read()

    assert assignment.encode(architecture.rows) == ARCHITECTURE


@pytest.mark.parametrize("around", ["{}", '"{}"', ' "{}" '])
def test_texts_are_read_with_and_without_the_manifests_quotes(around):
    nn_config = assignment.encode(NN_CONFIG)

    assert config.read(around.format(ARCHITECTURE), around.format(nn_config)) == _read()
    assert config.read(ARCHITECTURE, json.dumps(NN_CONFIG)) == _read()


@pytest.mark.fault(21)
@pytest.mark.parametrize("value", ["7", 7, 7.0, "7.0"])
@pytest.mark.parametrize("name", ["filter_size", "num_filter", "stride"])
def test_a_parameter_is_read_as_text_and_as_a_number(name, value):
    _, network = _read(nn_config=_changed(f"embedding.0.opt_params.{name}", value))

    assert getattr(network.embedding[0], name) == 7


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("[[1], [0, 1], [2, 0, 1]]", "nn_config.num_layers: 4 is not allowed: the architecture has 3 rows"),
        ("[]", "architecture: [] is not allowed: it must be a list that is not empty"),
        ("{}", "architecture: {} is not allowed: it must be a list"),
        ("7", "architecture: 7 is not allowed: it must be a list"),
        ("", "architecture: '' is not allowed: it must be JSON"),
        ("[[1], [0, 1], [2, 0, 1], [7, 1, 0, 1]", "it must be JSON"),
        ("[[1], [0, 1], [2, 0], [7, 1, 0, 1]]", "architecture row 3: [2, 0] is not allowed: it must have 3 numbers"),
        ("[[1, 0], [0, 1], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 1: [1, 0] is not allowed: it must have 1"),
        ("[[1], [], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2: [] is not allowed"),
        ("[[1], 3, [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2: 3 is not allowed: it must be a list"),
        ("[[1], [3, 1], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2, operation: 3 is not allowed: it must be an id"),
        ("[[-1], [0, 1], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 1, operation: -1 is not allowed"),
        ("[[true], [0, 1], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 1, operation: True is not allowed"),
        ("[['1'], [0, 1], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 1, operation: '1' is not allowed"),
        ("[[1.0], [0, 1], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 1, operation: 1.0 is not allowed"),
        ("[[1], [0, 2], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2, bit 0: 2 is not allowed: it must be 0 or 1"),
        ("[[1], [0, 1], [2, 0, 1], [7, 1, -1, 1]]", "architecture row 4, bit 1: -1 is not allowed"),
        ("[[1], [0, true], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2, bit 0: True is not allowed"),
        ("[[1], [0, 1.0], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2, bit 0: 1.0 is not allowed"),
        ("[[1], [0, null], [2, 0, 1], [7, 1, 0, 1]]", "architecture row 2, bit 0: None is not allowed"),
    ],
)
def test_a_wrong_architecture_names_the_row(architecture, message):
    with pytest.raises(InvalidNetwork, match=re.escape(message)):
        _read(architecture)


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("num_layers", 5, "the architecture has 4 rows"),
        ("num_layers", 0, "a whole number from 1"),
        ("num_layers", True, "a whole number from 1"),
        ("input_sizes", [32, 32], "height, width and channels"),
        ("input_sizes", "32", "it must be a list"),
        ("input_sizes", [], "it must be a list"),
        ("output_sizes", [], "it must be a list"),
        ("output_sizes", 10, "it must be a list"),
        ("embedding", [], "it must be an object"),
        ("embedding.0", [], "it must be an object"),
        ("embedding.0.opt_id", 1, "it must be the name of the entry, 0"),
        ("embedding.0.opt_id", False, "a whole number from 0"),
        ("embedding.0.opt_params", None, "it must be an object"),
        ("embedding.0.opt_params.stride", "two", "a whole number from 1"),
        ("embedding.0.opt_params.stride", "", "a whole number from 1"),
        ("embedding.0.opt_params.stride", "-1", "a whole number from 1"),
        ("embedding.0.opt_params.stride", 0, "a whole number from 1"),
        ("embedding.0.opt_params.stride", 1.5, "a whole number from 1"),
        ("embedding.0.opt_params.stride", "1.5", "a whole number from 1"),
        ("embedding.0.opt_params.stride", True, "a whole number from 1"),
        ("embedding.0.opt_params.stride", None, "a whole number from 1"),
        ("embedding.0.opt_params.stride", [1], "a whole number from 1"),
        ("embedding.0.opt_params.num_filter", 10**12, "a whole number from 1 to 65536"),
        ("embedding.7.opt_params.reduction_type", "min_pooling", "it must be max_pooling or avg_pooling"),
        ("embedding.7.opt_params.reduction_type", 1, "it must be max_pooling or avg_pooling"),
        ("embedding.7.opt_params.pool_size", "big", "a whole number from 1"),
    ],
)
def test_a_wrong_value_is_named(path, value, allowed):
    message = re.escape(f"nn_config.{path}: {value!r} is not allowed: ") + ".*" + re.escape(allowed)

    with pytest.raises(InvalidNetwork, match=message):
        _read(nn_config=_changed(path, value))


@pytest.mark.fault(24)
@pytest.mark.parametrize("opt_type", ["warp", "Convolution", "", None, 3, ["convolution"]])
def test_an_unknown_operation_type_is_refused(opt_type):
    message = (
        r"nn_config\.embedding\.2\.opt_type: .* is not allowed: it must be convolution or separable_convolution or"
    )

    with pytest.raises(InvalidNetwork, match=message):
        _read(nn_config=_changed("embedding.2.opt_type", opt_type))


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    "path",
    [
        "embedding.0.opt_params.filter_size",
        "embedding.0.opt_params.num_filter",
        "embedding.0.opt_params.stride",
        "embedding.1.opt_params.depth_multiplier",
        "embedding.7.opt_params.reduction_type",
        "embedding.7.opt_params.pool_size",
        "embedding.7.opt_params",
        "embedding.7.opt_type",
        "embedding.7.opt_id",
        "num_layers",
        "input_sizes",
        "output_sizes",
        "embedding",
    ],
)
def test_what_is_missing_is_named_and_not_guessed(path):
    with pytest.raises(InvalidNetwork, match=re.escape(f"nn_config.{path}: None is not allowed: it is missing")):
        _read(nn_config=_without(path))


@pytest.mark.parametrize("path", ["dropout", "embedding.0.name", "embedding.0.opt_params.depth_multiplier"])
def test_what_is_unknown_is_refused(path):
    with pytest.raises(InvalidNetwork, match=re.escape(f"nn_config.{path}: 1 is not allowed: the name is unknown")):
        _read(nn_config=_changed(path, 1))


@pytest.mark.parametrize("key", ["x", "-1", "01", "1e0", "", "٣"])
def test_an_entry_has_the_name_of_an_id(key):
    with pytest.raises(InvalidNetwork, match="the name of an entry must be the id of an operation"):
        _read(nn_config=_changed(f"embedding.{key}", NN_CONFIG["embedding"]["0"]))


def test_operations_that_no_layer_uses_are_allowed():
    entry = {**NN_CONFIG["embedding"]["0"], "opt_id": 99}

    architecture, network = _read(nn_config=_changed("embedding.99", entry))

    assert architecture == _read()[0]
    assert set(network.embedding) == {0, 1, 2, 7, 99}


def test_data_of_other_sizes_are_refused():
    _, network = _read()
    network.check_data((3, 32, 24), 10)
    network.check_data((3, 32, 24), 9)

    with pytest.raises(InvalidNetwork, match=re.escape("nn_config.input_sizes: [32, 24, 3] is not allowed")):
        network.check_data((1, 32, 24), 10)
    with pytest.raises(InvalidNetwork, match=re.escape("the sizes [24, 32, 3] (H, W, C)")):
        network.check_data((3, 24, 32), 10)
    with pytest.raises(InvalidNetwork, match=re.escape("nn_config.output_sizes: [10] is not allowed")):
        network.check_data((3, 32, 24), 11)


def test_an_error_is_one_short_line():
    with pytest.raises(InvalidNetwork) as caught:
        _read("[" * 5000)

    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@given(data=st.data())
def test_whatever_the_texts_hold_they_are_a_network_or_refused(bad, data):
    rows = json.loads(ARCHITECTURE)
    valid = [as_text(value) for value in (rows, NN_CONFIG)]
    changed = [
        st.just(text) | bad.text(text) | bad.document(value).map(as_text)
        for text, value in zip(valid, (rows, NN_CONFIG), strict=True)
    ]
    refusal = None
    try:
        architecture, network = config.read(*map(data.draw, changed))
    except InvalidNetwork as error:
        refusal = str(error)
    if refusal is None:
        assert architecture.num_layers == network.num_layers
    else:
        assert refusal.startswith(("architecture", "nn_config"))
        assert len(refusal) < 12_000


def as_text(value):
    """What json writes of any value, in single quotes."""
    return json.dumps(value).replace('"', "'")
