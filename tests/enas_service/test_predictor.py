import numpy as np
import pytest

from enas_service.predictor import Encoding, Predictor
from enas_service.proposals import propose
from enas_service.spaces.macro import MacroSpace
from enas_service.spaces.operations import OperationChoice

SPACE = MacroSpace(
    num_layers=4,
    input_sizes=(32, 32, 3),
    output_sizes=(10,),
    operations=tuple(OperationChoice("operation", (("size", size),)) for size in range(3)),
)
ENCODING = Encoding(SPACE.counts, SPACE.num_bits)


def draws(random, count):
    return np.stack([SPACE.draw(random) for _ in range(count)])


@pytest.fixture
def random():
    return np.random.default_rng(0)


def additive(random):
    """A reward that is a sum over decisions, and its parts."""
    choice_lm, join_j = random.normal(size=(4, 3)), random.normal(size=6)

    def reward(decisions):
        return choice_lm[np.arange(4), decisions[:4]].sum() + join_j @ np.where(decisions[4:], 1, -1)

    return reward, choice_lm, join_j


def textbook_mean(decisions, scores, asked):
    """The posterior's mean at ``asked``, in the primal form: a weight for each decision and pair, and a constant."""

    def features(one):
        joins = np.where(one[4:], 1, -1) / np.sqrt(2)
        single = np.concatenate([(one[:4, None] == np.arange(3)).ravel(), joins])
        # An architecture has 4 choices and 6 joins of half a unit each: length 7 squared, of which pairs add a tenth.
        return np.concatenate([single, [1], np.sqrt(0.1 / 7) * np.outer(single, single).ravel()])

    feature_nf = np.array([features(one) for one in decisions])
    precision_ff = np.eye(feature_nf.shape[1]) + feature_nf.T @ feature_nf / 0.1
    weight_f = np.linalg.solve(precision_ff, feature_nf.T @ scores / 0.1)
    return np.array([features(one) @ weight_f for one in asked])


def test_the_mean_opinion_is_the_textbooks(random):
    decisions, asked = draws(random, 20), draws(random, 50)
    scores = random.normal(size=20)
    (opinion,) = Predictor(ENCODING, decisions, scores).draw(random, spread=0, count=1)
    worth, expected = opinion.worth(asked), textbook_mean(decisions, scores, asked)
    # All but for a constant, which orders nothing.
    assert worth - worth.mean() == pytest.approx(expected - expected.mean(), abs=1e-9)


def test_draws_spread_around_the_mean_where_little_is_known(random):
    known, unknown = draws(random, 12), draws(random, 50)
    predictor = Predictor(ENCODING, known, random.normal(size=12))
    drawn = predictor.draw(random, spread=1, count=3000)
    (mean,) = predictor.draw(random, spread=0, count=1)
    assert np.mean([one.worth(known) for one in drawn], axis=0) == pytest.approx(mean.worth(known), abs=0.1)
    assert np.mean([one.worth(unknown) for one in drawn], axis=0) == pytest.approx(mean.worth(unknown), abs=0.2)
    assert np.var([one.worth(known) for one in drawn], axis=0).max() < 1
    assert np.var([one.worth(unknown) for one in drawn], axis=0).mean() > 1


def test_changes_are_the_best_options_and_what_they_add(random):
    reward, choice_lm, join_j = additive(random)
    decisions = draws(random, 400)
    scores = np.array([reward(one) for one in decisions])
    (opinion,) = Predictor(ENCODING, decisions, scores - scores.mean()).draw(random, spread=0, count=1)
    asked = draws(random, 5)
    best_bd, gain_bd = opinion.changes(asked)
    assert np.array_equal(best_bd[:, :4], np.tile(choice_lm.argmax(axis=1), (5, 1)))
    assert np.array_equal(best_bd[:, 4:], 1 - asked[:, 4:])
    gain_bl = choice_lm.max(axis=1) - choice_lm[np.arange(4), asked[:, :4]]
    assert gain_bd[:, :4] == pytest.approx(gain_bl, abs=0.1)
    assert gain_bd[:, 4:] == pytest.approx(np.where(asked[:, 4:], -2, 2) * join_j, abs=0.1)


def test_gains_of_pairs_are_the_slope_of_the_worth(random):
    decisions = draws(random, 30)
    (opinion,) = Predictor(ENCODING, decisions, random.normal(size=30)).draw(random, spread=0, count=1)
    place = 6
    one, flipped = decisions[:1], decisions[:1].copy()
    flipped[0, place] ^= 1
    before, after = opinion.worth(np.concatenate([one, flipped]))
    # The worth is a parabola along the change: the slopes at its ends have the difference as their mean.
    (_, gain_bd), (_, back_bd) = opinion.changes(one), opinion.changes(flipped)
    assert (gain_bd[0, place] - back_bd[0, place]) / 2 == pytest.approx(after - before)
    assert np.all(gain_bd[0, :4] >= 0), "what there is gains nothing, and the best at least that"


def test_choices_may_differ_in_how_many_options_they_have(random):
    counts = (2, 5, 1, 3)
    values = [random.normal(size=count) for count in counts]
    decisions = random.integers(counts, size=(300, 4), dtype=np.int32)
    scores = sum(value[decisions[:, place]] for place, value in enumerate(values))
    (opinion,) = Predictor(Encoding(counts, 0), decisions, scores - scores.mean()).draw(random, spread=0, count=1)
    best_bd, gain_bd = opinion.changes(decisions[:1])
    assert best_bd[0].tolist() == [value.argmax() for value in values]
    gains = [value.max() - value[option] for value, option in zip(values, decisions[0], strict=True)]
    assert gain_bd[0] == pytest.approx(gains, abs=0.1)


def test_the_first_opinions_do_not_depend_on_how_many_follow(random):
    predictor = Predictor(ENCODING, draws(random, 6), random.normal(size=6))
    few, many = (predictor.draw(np.random.default_rng(1), spread=1, count=count) for count in (1, 3))
    assert few[0].single_f == pytest.approx(many[0].single_f)


def test_of_very_many_trials_the_best_and_the_latest_are_looked_at(random):
    reward, choice_lm, _ = additive(random)
    decisions = draws(random, 3000)
    scores = np.array([reward(one) for one in decisions])
    (opinion,) = Predictor(ENCODING, decisions, scores - scores.mean()).draw(random, spread=0, count=1)
    assert len(opinion.trial_nf) <= 400
    best_bd, _ = opinion.changes(decisions[:1])
    assert best_bd[0, :4].tolist() == choice_lm.argmax(axis=1).tolist()


def test_a_proposal_is_a_candidate_with_at_most_four_decisions_changed_for_the_better(random):
    reward, _, _ = additive(random)
    decisions = draws(random, 300)
    scores = np.array([reward(one) for one in decisions])
    predictor = Predictor(ENCODING, decisions, scores - scores.mean())
    candidate = SPACE.draw(random)
    for _ in range(20):
        (proposed,) = propose(candidate[np.newaxis], predictor, space=SPACE, taken=set(), count=1, random=random)
        assert (proposed != candidate).sum() <= 4
        assert reward(proposed) >= reward(candidate)


def test_without_a_predictor_the_candidates_stand_as_they_are(random):
    candidates = draws(random, 3)
    proposed = propose(candidates, None, space=SPACE, taken=set(), count=3, random=random)
    assert np.array_equal(proposed, candidates)


def test_a_space_that_is_used_up_is_proposed_from_again(random):
    tiny = MacroSpace(num_layers=1, input_sizes=(1,), output_sizes=(1,), operations=SPACE.operations[:2])
    taken = set()
    proposed = propose(tiny.draw(random)[np.newaxis], None, space=tiny, taken=taken, count=5, random=random)
    assert len(proposed) == 5
    assert len({tiny.key(one) for one in proposed[:2]}) == 2 == len(taken)
