import math

import pytest

from darts_trainer.search.remarks import remarks

LEARNED = {"entropies": {"normal": 1.2, "reduction": 1.3}, "num_operations": 4, "scores": [0.3, 0.5], "num_steps": 300}
FLAT = math.log(4)


def test_a_search_that_has_learned_something_has_none():
    assert remarks(**LEARNED) == ()
    # One epoch tells nothing about change, and a single operation leaves nothing to choose.
    assert remarks(entropies={"normal": 0.0}, num_operations=1, scores=[0.1], num_steps=30) == ()


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        (
            {"entropies": {"normal": FLAT - 3e-5, "reduction": 1.0}},
            "alphas of the normal cell are as flat as at the st",
        ),
        (
            {"entropies": {"normal": 1.0, "reduction": FLAT}},
            "the reduction cell are as flat as at the start (entropy 1.38",
        ),
        ({"scores": [0.25, 0.25, 0.25]}, "the validation accuracy is the same after all 3 epochs, 0.25"),
        ({"num_steps": 12}, "took 12 steps, and the running statistics of batch norms need some 30"),
    ],
)
def test_each_sign_is_said_with_what_to_change(sign, said):
    (found,) = remarks(**LEARNED | sign)
    assert said in found
    assert found.endswith(" help")
