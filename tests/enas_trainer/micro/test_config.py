"""What a trial is told of cells: the published texts, and one line for each thing that may be wrong with them."""

import pytest

from darts_genotype import enas_form
from enas_trainer.architecture import fixed_arc, loading
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.micro import config
from enas_trainer.micro.config import CellOptions
from tests.enas_trainer.micro.conftest import ARC, ROWS, SMALL
from tests.enas_trainer.micro.conftest import config as nn_config


def test_the_published_arc_is_read_with_and_without_commas(texts):
    rows, of_numbers = texts(ROWS, num_layers=8, input_sizes=[32, 24, 1], output_sizes=[7])
    network = config.read(rows, of_numbers)
    assert network.genotype == enas_form.read_cells(ROWS)
    assert (network.num_layers, network.input_sizes, network.num_classes) == (8, (32, 24, 1), 7)
    assert network.options == CellOptions(init_channels=20, num_layers=None, auxiliary_weight=None, drop_path=0.0)
    script = f'fixed_arc="{ARC[:39]}"\nfixed_arc="$fixed_arc {ARC[40:]}"\n'
    for text in (ARC, script):
        assert fixed_arc.is_one(text)
        assert loading.load(text, of_numbers) == (rows, of_numbers)


def test_the_command_may_ask_for_another_depth(texts):
    assert config.read(*texts(), CellOptions(num_layers=17)).num_layers == 17
    with pytest.raises(InvalidNetwork, match=r"--num-layers: 2 .* must be 3 to 1000"):
        config.read(*texts(), CellOptions(num_layers=2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_layers": 2}, r"nn_config\.num_layers: 2 .* reduction cells: it must be 3 to 1000"),
        ({"num_nodes": 3}, r"architecture row 1 \(normal cell\): '8 numbers' .* 3 nodes are 12 numbers"),
        ({"num_nodes": 65}, r"nn_config\.num_nodes: 65 .* 1 to 64"),
        ({"num_nodes": 0}, r"nn_config\.num_nodes: 0"),
        ({"input_sizes": [8, 8]}, r"nn_config\.input_sizes: \[8, 8\] .* height, width and channels"),
        ({"output_sizes": []}, r"nn_config\.output_sizes: \[\]"),
        ({"search_for": "macro"}, r"nn_config\.search_for: 'macro' .* micro"),
        ({"width": 3}, r"nn_config\.width: 3 .* unknown"),
        ({"embedding": nn_config(2)["embedding"] | {"5": {}}}, r"nn_config\.embedding\.5: {} .* opt_id"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(texts, changes, said):
    with pytest.raises(InvalidNetwork, match=said):
        config.read(*texts(SMALL, **changes))


@pytest.mark.parametrize("name", list(nn_config(2)))
def test_what_is_missing_is_named(texts, name):
    without = {key: value for key, value in nn_config(2).items() if key != name}
    with pytest.raises(InvalidNetwork, match=rf"nn_config\.{name}: None .* missing"):
        config.read(str(SMALL), str(without))


WRONG = "[[0, 4, 0, 4, 2, 4, 2, 9], [0, 4, 0, 4, 0, 4, 0, 4]]"


@pytest.mark.parametrize("rows", ["", "[[0, 0]", WRONG, "[]", "{}", "7"])
def test_rows_that_are_none_are_one_line(texts, rows):
    with pytest.raises(InvalidNetwork, match=r"^architecture") as error:
        config.read(rows, texts()[1])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "count"), [("0 1 2", 3), ("0 " * 12, 12)])
def test_numbers_that_are_no_two_cells_are_counted(texts, text, count):
    with pytest.raises(InvalidNetwork, match=rf"architecture: '{count} numbers' .* two cells"):
        loading.load(text, texts()[1])
