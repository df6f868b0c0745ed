import pytest

from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.arguments import choices
from enas_trainer.micro import config
from katib_suggestion.parsing import assignment
from tests.enas_trainer.micro.conftest import SMALL

CHOICES = {
    "num_layers": 8,
    "input_sizes": [32, 32, 3],
    "output_sizes": [10],
    "avg_pooling-filter_size": "3",
    "max_pooling-filter_size": "3",
}
OPERATIONS = (
    "separable_convolution/filter_size=3", "separable_convolution/filter_size=5", "avg_pooling", "max_pooling",
    "skip_connection",
)  # fmt: skip
CHOICES |= {
    f"{kind}_{2 + place // 4}_{('source', 'operation')[place % 2]}_{1 + place % 4 // 2}": (
        OPERATIONS[number] if place % 2 else str(number)
    )
    for kind, row in zip(("normal", "reduce"), SMALL, strict=True)
    for place, number in enumerate(row)
}


def read(changes=None, without=()):
    chosen = {name: value for name, value in {**CHOICES, **(changes or {})}.items() if name not in without}
    return config.read(*choices.read(assignment.encode(chosen)))


def test_each_choice_is_read_by_its_name(texts):
    expected = config.read(*texts(num_layers=8, input_sizes=[32, 32, 3]))
    assert read() == expected
    assert read({"search_for": "micro", "normal_2_source_1": 1}) == expected
    assert CHOICES["normal_2_source_1"] == "1"
    assert CHOICES["reduce_3_operation_2"] == "separable_convolution/filter_size=5"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"normal_2_source_1": "2"}, r"choices\.normal_2_source_1: '2' .* 0 or 1"),
        ({"reduce_3_source_2": "x"}, r"choices\.reduce_3_source_2: 'x' .* 0 or 1 or 2"),
        ({"normal_2_operation_1": "convolution"}, r"choices\.normal_2_operation_1: 'convolution' .* avg_pooling"),
        ({"normal_2_operation_1": "separable_convolution"}, r"normal_2_operation_1: .* has filter_size"),
        ({"normal_2_operation_1": "skip_connection/stride=2"}, r"normal_2_operation_1: .* no parameter"),
        ({"normal_2_operation_1": "separable_convolution/filter_size=4"}, r"opt_params\.filter_size: '4'"),
        ({"normal_4_source_2": "1"}, r"choices\.normal_4_source_2: '1' .* nothing reads it"),
        ({"layer-1": "reduction"}, r"choices\.layer-1: .* nothing reads it"),
    ],
)
def test_what_is_no_choice_is_refused_by_name(changes, said):
    with pytest.raises(InvalidNetwork, match=said):
        read(changes)


@pytest.mark.parametrize("name", ["num_layers", "input_sizes", "reduce_2_source_2", "normal_3_operation_2"])
def test_what_is_missing_is_named(name):
    with pytest.raises(InvalidNetwork, match=rf"choices\.{name}: .*missing"):
        read(without=[name])
