import numpy as np
import pytest

from enas_service.scores import advantages, ranked


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([7.0], [0]),
        ([7.0, 7.0], [0, 0]),
        ([1.0, 2.0], [-1, 1]),
        ([0.1, 1e30, 0.2], [-1, 1, 0]),
        ([3.0, 1.0, 3.0, 2.0], [2 / 3, -1, 2 / 3, -1 / 3]),
        ([-1.7e308, 1.7e308], [-1, 1]),
    ],
)
def test_only_the_order_of_rewards_counts(rewards, expected):
    assert ranked(rewards) == pytest.approx(np.sqrt(3) * np.array(expected))


def test_many_scores_have_mean_0_and_standard_deviation_1():
    scores = ranked(np.random.default_rng(0).lognormal(size=500).tolist())
    assert scores.mean() == pytest.approx(0, abs=1e-12)
    assert scores.std() == pytest.approx(1, abs=0.01)


def test_the_baseline_starts_at_the_data_and_moves_by_its_decay():
    # Mean 2; after the first score 2 + .1 * (1 - 2) = 1.9; after the second 1.9 + .1 * (3 - 1.9) = 2.01.
    assert advantages(np.array([1.0, 3.0, 2.0]), 0.9) == pytest.approx([-1.0, 1.1, -0.01])


def test_a_decay_of_one_never_moves_the_baseline():
    assert advantages(np.array([1.0, 3.0]), 1.0) == pytest.approx([-1.0, 1.0])
