import pytest

from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.arguments import choices
from enas_trainer.macro import config
from enas_trainer.macro.operation_types import Convolution, Reduction, SeparableConvolution

POOLING = "'layer-1': 'reduction/pool_size=2/reduction_type=max_pooling'"
CONVOLUTION = "'convolution/filter_size=3/num_filter=8/stride=1'"
SIZES = "'input_sizes': [32, 32, 3], 'output_sizes': [10]"


def network(text):
    return config.read(*choices.read(f"{{{SIZES}, {text}}}"))


def test_each_choice_is_read_by_its_name():
    architecture, found = network(
        "'layer-1': 'convolution/filter_size=3/stride=1', 'layer-1-num_filter': '32', 'layer-2': 'reduction', "
        "'layer-2-num_filter': '64', 'layer-2-reduction-pool_size': '2', 'reduction-reduction_type': 'max_pooling', "
        "'layer-2-join-0': '1', 'layer-3': 'convolution/num_filter=8/filter_size=3/stride=1', 'layer-3-join-0': '0', "
        "'layer-3-join-1': 1"
    )
    assert architecture.rows == ((0,), (1, 1), (2, 0, 1))
    assert found.embedding == {
        0: Convolution(filter_size=3, num_filter=32, stride=1),
        1: Reduction(reduction_type="max_pooling", pool_size=2),
        2: Convolution(filter_size=3, num_filter=8, stride=1),
    }
    assert (found.num_layers, found.input_sizes, found.output_sizes) == (3, (32, 32, 3), (10,))


def test_the_nearest_place_of_a_parameter_counts():
    _, found = network(
        "'layer-1': 'separable_convolution/filter_size=3', 'layer-1-filter_size': '5', 'layer-1-num_filter': '8', "
        "'layer-1-separable_convolution-num_filter': '16', 'separable_convolution-stride': '1', 'layer-1-stride': '2', "
        "'separable_convolution-depth_multiplier': '2'"
    )
    expected = SeparableConvolution(filter_size=3, num_filter=16, stride=2, depth_multiplier=2)
    assert found.embedding == {0: expected}


def test_layers_of_one_operation_share_its_id():
    architecture, found = network(f"'layer-1': {CONVOLUTION}, 'layer-2': {CONVOLUTION}, 'layer-2-join-0': '0'")
    assert (architecture.rows, len(found.embedding)) == (((0,), (0, 0)), 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'layer-2': 'reduction'", r"choices\.layer-1: .*missing"),
        ("'layer-1': 'dense'", r"choices\.layer-1: 'dense' .*convolution or "),
        ("'layer-1': 'reduction/pool_size=2'", r"choices\.layer-1: .*there must be a reduction_type"),
        ("'layer-1': 'reduction/pool_size=2/stride=2/reduction_type=max_pooling'", "reduction has no stride"),
        ("'layer-1': 'reduction/pool_size=x/reduction_type=max_pooling'", r"opt_params\.pool_size: 'x'"),
        (f"{POOLING}, 'layer-1-filters': '3'", "layer-1-filters: .*nothing reads"),
        (f"{POOLING}, 'layer-2': {CONVOLUTION}", r"choices\.layer-2-join-0: .*missing"),
    ],
)
def test_what_is_no_network_is_refused_by_name(text, said):
    with pytest.raises(InvalidNetwork, match=said):
        network(text)


def test_sizes_must_be_there():
    with pytest.raises(InvalidNetwork, match=r"choices\.input_sizes: .*missing"):
        choices.read(f"{{{POOLING}}}")
    with pytest.raises(InvalidNetwork, match="choices: "):
        choices.read("[1]")
