import numpy as np
import pytest

from enas_service.model import normal
from enas_service.model.aims import _MIN_DOUBT
from enas_service.model.bounds import MAX_TRIALS
from enas_service.model.importance import Importance, by_kind, importances, summary
from enas_service.model.model import Model, learned
from enas_service.model.region import Region, judged
from enas_service.spaces.macro import MacroSpace
from enas_service.spaces.operations import OperationChoice


@pytest.fixture
def region(space):
    return Region.of(space)


def worth(networks):
    """Only the operations of the second and third layer count."""
    return np.where(networks[:, 1] == 3, 1.0, 0.0) + np.where(networks[:, 2] == 5, 1.0, 0.0)


def model_of(region, networks, rewards):
    return Model.of(region, learned(region, networks, rewards), networks, rewards)


def propose(model, seed=1, count=3, taken=(), waiting=None):
    waiting = model.trial_nd[:0] if waiting is None else waiting
    random, taken = np.random.default_rng(seed), set(taken)
    return np.stack(model.propose(waiting, model.region.draw(8, random), taken=taken, count=count, random=random))


def test_the_same_trials_give_the_same_proposals(region, random):
    networks = region.draw(30, random)
    rewards = worth(networks).tolist()
    first, again = (propose(model_of(region, networks, rewards)) for _ in range(2))
    assert np.array_equal(first, again)


def test_proposals_are_good_and_none_was_there_before(region, random):
    networks = region.draw(60, random)
    taken = {region.space.key(one) for one in networks}
    proposed = propose(model_of(region, networks, worth(networks).tolist()), count=6, taken=taken)
    assert worth(proposed).mean() > worth(networks).mean() + 0.5
    keys = {region.space.key(one) for one in proposed}
    assert len(keys) == 6
    assert not keys & taken


def test_a_trial_is_in_doubt_though_the_best_could_be_had_again_with_other_joins(region, random):
    """The best is known, joins do not matter: the other 63 networks with these operations say nothing new."""
    networks = region.draw(150, random)
    networks[:, 0], networks[:, 3] = 0, 0
    networks[0, 1:3] = 3, 5
    proposed = propose(model_of(region, networks, worth(networks).tolist()), count=4)
    operations = {tuple(one[:4].tolist()) for one in networks}
    assert sum(tuple(one[:4].tolist()) not in operations for one in proposed) >= 3


def test_what_is_in_no_doubt_is_tried_where_it_is_better_than_all_that_was_tried(region):
    """A space that is understood: its best network is known, and was never tried."""
    worth_lm = np.random.default_rng(5).normal(size=(4, 8))[:, :7]

    def added_up(networks):
        return sum(worth_m[networks[:, layer]] for layer, worth_m in enumerate(worth_lm))

    networks = region.draw(150, np.random.default_rng(2))
    model, best = model_of(region, networks, added_up(networks).tolist()), worth_lm.max(axis=1).sum()
    assert added_up(networks).max() < best - 1
    proposed = propose(model)
    _, doubt = judged(model.posterior, region, proposed)
    assert added_up(proposed)[0] == pytest.approx(best)
    assert doubt[0] < _MIN_DOUBT
    # And not once more with other joins, when it has been tried.
    assert added_up(proposed)[1:].max() < best


def test_what_runs_is_expected_to_come_out_as_expected(region, random):
    networks = region.draw(40, random)
    model = model_of(region, networks, worth(networks).tolist())
    first = propose(model, count=1)
    assert not np.array_equal(propose(model, count=1, waiting=first), first)


def test_of_very_many_trials_the_best_and_the_latest_are_looked_at(region, random):
    networks = region.draw(1500, random)
    rewards = worth(networks).tolist()
    model = model_of(region, networks, rewards)
    assert len(model.trial_nd) <= MAX_TRIALS
    assert np.array_equal(model.trial_nd[-1], networks[-1])
    assert worth(model.trial_nd).max() == worth(networks).max()


def test_a_space_that_is_used_up_is_proposed_from_again(random):
    operations = tuple(OperationChoice("operation", (("size", size),)) for size in range(2))
    region = Region.of(MacroSpace(num_layers=2, input_sizes=(1,), output_sizes=(1,), operations=operations))
    networks = region.draw(8, random)
    model = model_of(region, networks, networks.sum(axis=1).astype(float).tolist())
    proposed = propose(model, count=12)
    assert len({region.space.key(one) for one in proposed[:8]}) == 8 == region.space.size


def test_all_trials_alike_teach_nothing_and_do_not_harm(region, random):
    networks = region.draw(12, random)
    assert len(propose(model_of(region, networks, [0.5] * 12), count=3)) == 3


def test_importance_says_what_matters_and_what_is_expected(region, random):
    networks = region.draw(120, random)
    rewards = (80 + 10 * (networks[:, 5] == 1) + random.normal(size=120)).tolist()
    found = importances(model_of(region, networks, rewards), rewards)
    (join,) = (one for one in found if one.name == "layer 3: join 0")
    assert join.share == max(one.share for one in found)
    assert join.share > 0.6
    without, having = (value for _, value in join.values)
    assert having - without > 5
    assert sum(one.share for one in found) < 1.2
    assert next(iter(by_kind(found))) == "join"
    assert "layer 3: join 0" in summary(found)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (("depth", "width"), "width 60%, depth 30%"),
        (("size", "size"), "size 90%; most of all width 60%, depth 30%"),
    ],
)
def test_what_matters_is_told_of_kinds_and_of_attributes_where_these_are_not_the_same(kinds, said):
    shares = {"depth": 0.3, "width": 0.6}
    found = [
        Importance(name=name, kind=kind, decision=index, share=shares[name], values=())
        for index, (name, kind) in enumerate(zip(shares, kinds, strict=True))
    ]
    assert summary(found) == said


def test_scores_are_the_normals_and_ties_stay_ties():
    scores = normal.scores(np.array([3.0, 1.0, 3.0, 9.0]))
    assert scores[0] == scores[2]
    assert scores[[1, 0, 3]] == pytest.approx([-1.1503, 0, 1.1503], abs=1e-3)
    z = np.linspace(-3, 3, 7)
    assert normal.quantile(normal.distribution(z)) == pytest.approx(z)
