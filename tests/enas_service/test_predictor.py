import numpy as np
import pytest

from enas_service.predictor import Predictor
from enas_service.proposals import propose
from enas_service.search_space import Decisions, OperationChoice, SearchSpace, stacked

SPACE = SearchSpace(
    num_layers=4,
    input_sizes=(32, 32, 3),
    output_sizes=(10,),
    operations=tuple(OperationChoice("operation", (("size", size),)) for size in range(3)),
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def additive(random):
    """A reward that is a sum over decisions, and its parts."""
    choice_lm, join_lk = random.normal(size=(4, 3)), random.normal(size=(4, 4)) * np.tri(4, k=-1)

    def reward(decisions):
        choices = choice_lm[np.arange(4), decisions.choices_l].sum()
        return choices + (join_lk * np.where(decisions.joins_lk, 1, -1)).sum()

    return reward, choice_lm, join_lk


def textbook_mean(decisions, scores, asked):
    """The posterior's mean at ``asked``, in the primal form: a weight for each decision and pair, and a constant."""

    def features(one):
        joins = np.where(one.joins_lk[np.tri(4, k=-1, dtype=bool)], 1, -1) / np.sqrt(2)
        single = np.concatenate([(one.choices_l[:, None] == np.arange(3)).ravel(), joins])
        # An architecture has 4 choices and 6 joins of half a unit each: length 7 squared, of which pairs add a tenth.
        return np.concatenate([single, [1], np.sqrt(0.1 / 7) * np.outer(single, single).ravel()])

    feature_nf = np.array([features(one) for one in decisions])
    precision_ff = np.eye(feature_nf.shape[1]) + feature_nf.T @ feature_nf / 0.1
    weight_f = np.linalg.solve(precision_ff, feature_nf.T @ scores / 0.1)
    return np.array([features(one) @ weight_f for one in asked])


def test_the_mean_opinion_is_the_textbooks(random):
    decisions, asked = ([SPACE.draw(random) for _ in range(count)] for count in (20, 50))
    scores = random.normal(size=20)
    (opinion,) = Predictor(decisions, scores, 3).draw(random, spread=0, count=1)
    worth, expected = opinion.worth(*stacked(asked)), textbook_mean(decisions, scores, asked)
    # All but for a constant, which orders nothing.
    assert worth - worth.mean() == pytest.approx(expected - expected.mean(), abs=1e-9)


def test_draws_spread_around_the_mean_where_little_is_known(random):
    decisions, asked = ([SPACE.draw(random) for _ in range(count)] for count in (12, 50))
    predictor = Predictor(decisions, random.normal(size=12), 3)
    known, unknown = stacked(decisions), stacked(asked)
    draws = predictor.draw(random, spread=1, count=3000)
    (mean,) = predictor.draw(random, spread=0, count=1)
    assert np.mean([one.worth(*known) for one in draws], axis=0) == pytest.approx(mean.worth(*known), abs=0.1)
    assert np.mean([one.worth(*unknown) for one in draws], axis=0) == pytest.approx(mean.worth(*unknown), abs=0.2)
    assert np.var([one.worth(*known) for one in draws], axis=0).max() < 1
    assert np.var([one.worth(*unknown) for one in draws], axis=0).mean() > 1


def test_gains_are_what_single_changes_add(random):
    reward, choice_lm, join_lk = additive(random)
    decisions = [SPACE.draw(random) for _ in range(400)]
    scores = np.array([reward(one) for one in decisions])
    (opinion,) = Predictor(decisions, scores - scores.mean(), 3).draw(random, spread=0, count=1)
    choices_bl, joins_blk = stacked([SPACE.draw(random) for _ in range(5)])
    choice_blm, join_bj = opinion.gains(choices_bl, joins_blk)
    chosen_bl = choice_lm[np.arange(4), choices_bl]
    assert choice_blm == pytest.approx(choice_lm - chosen_bl[:, :, None], abs=0.1)
    earlier_lk = np.tri(4, k=-1, dtype=bool)
    assert join_bj == pytest.approx(np.where(joins_blk, -2, 2)[:, earlier_lk] * join_lk[earlier_lk], abs=0.1)


def test_gains_of_pairs_are_the_slope_of_the_worth(random):
    decisions = [SPACE.draw(random) for _ in range(30)]
    (opinion,) = Predictor(decisions, random.normal(size=30), 3).draw(random, spread=0, count=1)
    (one,) = decisions[:1]
    choice_blm, join_bj = opinion.gains(*stacked([one]))
    flipped = Decisions(one.choices_l, one.joins_lk ^ np.eye(4, k=-1, dtype=bool) & (np.arange(4) == 2)[:, None])
    before, after = opinion.worth(*stacked([one, flipped]))
    # The worth is a parabola along the change: the slopes at its ends have the difference as their mean.
    _, back_bj = opinion.gains(*stacked([flipped]))
    place = 2
    assert (join_bj[0, place] - back_bj[0, place]) / 2 == pytest.approx(after - before)
    assert choice_blm[0, np.arange(4), one.choices_l] == pytest.approx(0)


def test_the_first_opinions_do_not_depend_on_how_many_follow(random):
    decisions = [SPACE.draw(random) for _ in range(6)]
    predictor = Predictor(decisions, random.normal(size=6), 3)
    few, many = (predictor.draw(np.random.default_rng(1), spread=1, count=count) for count in (1, 3))
    assert few[0].single_f == pytest.approx(many[0].single_f)


def test_of_very_many_trials_the_best_and_the_latest_are_looked_at(random):
    reward, choice_lm, _ = additive(random)
    decisions = [SPACE.draw(random) for _ in range(3000)]
    scores = np.array([reward(one) for one in decisions])
    (opinion,) = Predictor(decisions, scores - scores.mean(), 3).draw(random, spread=0, count=1)
    assert len(opinion.trial_nf) <= 400
    choice_blm, _ = opinion.gains(*stacked(decisions[:1]))
    assert choice_blm[0].argmax(axis=1).tolist() == choice_lm.argmax(axis=1).tolist()


def test_a_proposal_is_a_candidate_with_at_most_four_decisions_changed_for_the_better(random):
    reward, _, _ = additive(random)
    decisions = [SPACE.draw(random) for _ in range(300)]
    scores = np.array([reward(one) for one in decisions])
    predictor = Predictor(decisions, scores - scores.mean(), 3)
    candidate = SPACE.draw(random)
    for _ in range(20):
        (proposed,) = propose([candidate], predictor, space=SPACE, taken=set(), count=1, random=random)
        changed = (proposed.choices_l != candidate.choices_l).sum() + (proposed.joins_lk != candidate.joins_lk).sum()
        assert changed <= 4
        assert reward(proposed) >= reward(candidate)


def test_without_a_predictor_the_candidates_stand_as_they_are(random):
    candidates = [SPACE.draw(random) for _ in range(3)]
    proposed = propose(candidates, None, space=SPACE, taken=set(), count=3, random=random)
    assert [one.key for one in proposed] == [one.key for one in candidates]


def test_a_space_that_is_used_up_is_proposed_from_again(random):
    tiny = SearchSpace(num_layers=1, input_sizes=(1,), output_sizes=(1,), operations=SPACE.operations[:2])
    taken = set()
    proposed = propose([tiny.draw(random)], None, space=tiny, taken=taken, count=5, random=random)
    assert len(proposed) == 5
    assert len({one.key for one in proposed[:2]}) == 2 == len(taken)
