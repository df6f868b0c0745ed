import pytest

from enas_trainer.architecture import fixed_arc
from enas_trainer.architecture.fields import InvalidNetwork
from enas_trainer.macro import config, published

ROWS = [[0], [5, 0], [3, 1, 1], [4, 0, 0, 1]]
SCRIPT = """#!/bin/bash
export PYTHONPATH="$(pwd)"

fixed_arc="0"
fixed_arc="$fixed_arc 5 0"
fixed_arc="${fixed_arc} 3 1 1"
fixed_arc="$fixed_arc 4 0 0 1"

python src/cifar10/main.py --child_fixed_arc "${fixed_arc}"
"""


@pytest.mark.parametrize("text", ["0 5 0 3 1 1 4 0 0 1", " 0, 5, 0, 3, 1, 1, 4, 0, 0, 1\n", SCRIPT])
def test_numbers_are_the_rows_one_after_the_other(text):
    assert fixed_arc.is_one(text)
    assert fixed_arc.rows(text, "macro") == ROWS
    architecture = config.read_rows(fixed_arc.rows(text, "macro"), published.network(4))
    assert architecture.sources(3) == (2, 0, 1)
    assert architecture.sources(4) == (3, 2)


@pytest.mark.parametrize("count", [2, 40, 20])
def test_what_is_no_macro_network_is_refused(count):
    with pytest.raises(InvalidNetwork, match=rf"'{count} numbers' is not allowed: .* 1, 3, 6, 10"):
        fixed_arc.rows("0 " * count, "macro")


@pytest.mark.parametrize(("text", "message"), [("6", "row 1, operation: 6"), ("0 1 2", "row 2, bit 0: 2")])
def test_numbers_out_of_bounds_are_refused(text, message):
    rows = fixed_arc.rows(text, "macro")
    with pytest.raises(InvalidNetwork, match=message):
        config.read_rows(rows, published.network(len(rows)))


@pytest.mark.parametrize("text", ["", "[[0]]", "runs/a", "0 a", "-1", "fixed_arc"])
def test_other_texts_are_none(text):
    assert not fixed_arc.is_one(text)
