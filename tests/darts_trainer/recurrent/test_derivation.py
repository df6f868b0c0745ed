import torch

from darts_genotype.recurrent import RecurrentGenotype
from darts_trainer.recurrent.derivation import derive

PRIMITIVES = ("tanh", "relu", "none")


def test_each_node_keeps_its_strongest_edge_and_function():
    weight_eo = torch.tensor(
        [
            [0.2, 0.3, 0.5],  # 0 to 1
            [0.1, 0.1, 0.8],  # 0 to 2: mostly none, which weakens what else it is
            [0.4, 0.3, 0.3],  # 1 to 2
            [0.3, 0.4, 0.3],  # 0 to 3
            [0.39, 0.3, 0.31],
            [0.35, 0.35, 0.3],
        ]
    )
    expected = RecurrentGenotype.of(("relu", 0), ("tanh", 1), ("relu", 0))
    assert derive(weight_eo, PRIMITIVES, 3) == expected
    assert expected.concat == (1, 2, 3)


def test_between_equals_the_earlier_source_and_function_go_first():
    assert derive(torch.full((3, 3), 1 / 3), PRIMITIVES, 2) == RecurrentGenotype.of(("tanh", 0), ("tanh", 0))
