import json

import pytest
import torch

from darts_genotype.primitives import PRIMITIVES
from darts_trainer.supernet.collapse import StopRule, auxiliary_weight, with_weights
from darts_trainer.supernet.derivation import derive

SPACE = ("separable_convolution_3x3", "dilated_convolution_3x3", "max_pooling_3x3", "skip_connection", "none")


def test_operations_with_weights():
    assert [PRIMITIVES[place] for place in with_weights(PRIMITIVES)] == [
        "separable_convolution_3x3",
        "separable_convolution_5x5",
        "separable_convolution_7x7",
        "dilated_convolution_3x3",
        "dilated_convolution_5x5",
    ]


def test_the_auxiliary_weight_falls_in_a_line_from_one_towards_zero():
    assert [auxiliary_weight(epoch, 4) for epoch in (1, 2, 3, 4)] == [1, 0.75, 0.5, 0.25]
    assert auxiliary_weight(1, 1) == 1


def rule(at_skips=None, when_stable=None):
    return StopRule(at_skips=at_skips, when_stable=when_stable, primitives=SPACE)


def epoch(stop_rule, rows, reduce_rows=None):
    """Note an epoch of a cell with one node, given the alphas of its two edges."""
    mixtures = [None if one is None else torch.tensor(one).softmax(dim=1) for one in (rows, reduce_rows)]
    return stop_rule.reason(derive(*mixtures, SPACE, 1), mixtures)


CONVOLUTION = [3.0, 2.0, 1.0, 0.0, 0.0]
OTHER_CONVOLUTION = [2.0, 3.0, 1.0, 0.0, 0.0]
POOL = [0.2, 0.1, 5.0, 3.0, 0.0]
SKIP = [0.0, -1.0, 1.0, 2.0, 0.0]


def test_a_search_stops_at_the_given_number_of_skips_in_the_normal_cell():
    stop_rule = rule(at_skips=2)
    assert epoch(stop_rule, [CONVOLUTION, SKIP]) is None
    assert epoch(stop_rule, [CONVOLUTION, SKIP], reduce_rows=[SKIP, SKIP]) is None
    assert epoch(stop_rule, [SKIP, SKIP]) == "the normal cell has 2 skip connections"


def test_a_search_stops_when_the_ranking_stood_for_the_given_number_of_epochs():
    stop_rule = rule(when_stable=2)
    # Pools and skips are not ranked: the first and the third row rank the convolutions alike.
    rows = [CONVOLUTION, OTHER_CONVOLUTION, CONVOLUTION, POOL, SKIP]
    reasons = [epoch(stop_rule, [CONVOLUTION, row], reduce_rows=[row, CONVOLUTION]) for row in rows]
    assert reasons[:4] == [None] * 4
    assert reasons[4] == "the alphas have ranked the operations with weights alike for 2 epochs"


@pytest.mark.parametrize("changed", ["normal", "reduce"])
def test_one_edge_of_any_cell_that_changes_starts_the_count_again(changed):
    stop_rule = rule(when_stable=1)
    still, other = [CONVOLUTION, CONVOLUTION], [CONVOLUTION, OTHER_CONVOLUTION]
    assert epoch(stop_rule, still, still) is None
    assert epoch(stop_rule, *((other, still) if changed == "normal" else (still, other))) is None


def test_without_criteria_a_search_goes_on():
    stop_rule = rule()
    assert [epoch(stop_rule, [SKIP, SKIP]) for _ in range(20)] == [None] * 20


def test_a_rule_goes_on_where_another_stood():
    first, second = rule(when_stable=2), rule(when_stable=2)
    for _ in range(2):
        assert epoch(first, [CONVOLUTION, SKIP]) is None
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert epoch(second, [CONVOLUTION, SKIP]) is not None
