import numpy as np
import pytest

from enas_service.predictor import Predictor
from enas_service.proposals import propose
from enas_service.search_space import OperationChoice, SearchSpace

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


def test_the_mean_opinion_finds_what_each_decision_is_worth(random):
    reward, choice_lm, join_lk = additive(random)
    decisions = [SPACE.draw(random) for _ in range(300)]
    scores = np.array([reward(one) for one in decisions])
    (worth,) = Predictor(decisions, scores - scores.mean(), 3).draw(random, spread=0, count=1)
    assert worth.join_lk == pytest.approx(join_lk, abs=0.02)
    # Only differences between the operations of a layer can be seen.
    centred = worth.choice_lm - worth.choice_lm.mean(axis=1, keepdims=True)
    assert centred == pytest.approx(choice_lm - choice_lm.mean(axis=1, keepdims=True), abs=0.02)


def test_draws_have_the_posterior_mean_and_variance(random):
    decisions = [SPACE.draw(random) for _ in range(6)]
    scores = random.normal(size=6)
    predictor = Predictor(decisions, scores, 3)
    draws = np.array([worth.choice_lm for worth in predictor.draw(random, spread=1, count=4000)])
    # The textbook's primal form of the same posterior.
    earlier_lk = np.tri(4, k=-1, dtype=bool)
    feature_nf = np.array(
        [
            [
                *(one.choices_l[:, None] == np.arange(3)).ravel(),
                *np.where(one.joins_lk[earlier_lk], 1, -1) / np.sqrt(2),
                1,
            ]
            for one in decisions
        ]
    )
    covariance_ff = np.linalg.inv(np.eye(feature_nf.shape[1]) + feature_nf.T @ feature_nf / 0.1)
    mean_f = covariance_ff @ feature_nf.T @ scores / 0.1
    assert draws.mean(axis=0).ravel() == pytest.approx(mean_f[:12], abs=0.06)
    assert draws.var(axis=0).ravel() == pytest.approx(np.diag(covariance_ff)[:12], rel=0.15)


def test_the_first_opinions_do_not_depend_on_how_many_follow(random):
    decisions = [SPACE.draw(random) for _ in range(6)]
    predictor = Predictor(decisions, random.normal(size=6), 3)
    few, many = (predictor.draw(np.random.default_rng(1), spread=1, count=count) for count in (1, 3))
    assert few[0].choice_lm == pytest.approx(many[0].choice_lm)


def test_of_very_many_trials_the_best_and_the_latest_are_looked_at(random):
    reward, choice_lm, _ = additive(random)
    decisions = [SPACE.draw(random) for _ in range(3000)]
    scores = np.array([reward(one) for one in decisions])
    (worth,) = Predictor(decisions, scores - scores.mean(), 3).draw(random, spread=0, count=1)
    assert worth.choice_lm.argmax(axis=1).tolist() == choice_lm.argmax(axis=1).tolist()


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
