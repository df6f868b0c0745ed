"""From a policy's candidates to proposals: a few decisions of each are put right, and none is proposed twice.

The policy knows which decisions go together, the predictor knows what single ones are worth, sooner: so each of many
candidates, drawn by the policy or the best so far, gets its few most doubtful decisions changed, by an opinion drawn
anew for each proposal (Thompson sampling; candidates ranked by a predictor as in White et al., BANANAS, 1910.11858).
With no bound on the changes, the policy would not matter; with none, a proposal would wait for the policy.

Shape suffixes: b candidate, d decision.
"""

import numpy as np

from enas_service.decisions import Decisions
from enas_service.predictor import Opinion, Predictor
from enas_service.spaces.space import Space

NUM_CANDIDATES = 64
"""Drawn from the policy for each request, in one batch."""

NUM_BEST = 4
"""Finished trials, the best, that are candidates as well."""

_MAX_EDITS = 4
"""Most decisions of a candidate that the predictor may change."""

_SPREAD = 0.3
"""Scale of the opinions' deviations from the posterior's mean; below a fair draw, since some 100 trials must do."""


def propose(
    candidates_bd: Decisions,
    predictor: Predictor | None,
    *,
    space: Space,
    taken: set[bytes],
    count: int,
    random: np.random.Generator,
) -> list[Decisions]:
    """Choose new decisions.

    Args:
        candidates_bd: (B, D), drawn from the policy, and the best so far.
        predictor: None before there are enough trials to fit one; the candidates then stand as they are.
        space: what may be proposed.
        taken: keys of what was proposed before; those of the result are added.
        count: how many.
        random: source of opinions.

    Returns:
        As they are read back from their keys.
    """
    opinions = [None] * count if predictor is None else predictor.draw(random, _SPREAD, count)
    chosen = []
    for opinion in opinions:
        ordered_bd = candidates_bd if opinion is None else _by_worth(candidates_bd, opinion)
        key = _untaken(ordered_bd, space, taken, random)
        taken.add(key)
        chosen.append(space.of_key(key))
    return chosen


def _by_worth(candidates_bd: Decisions, opinion: Opinion) -> Decisions:
    """Candidates, each as it is and with its worst decisions changed, the worthiest first."""
    all_bd = np.concatenate([_changed(candidates_bd, opinion), candidates_bd])
    return all_bd[np.argsort(-opinion.worth(all_bd), kind="stable")]


def _changed(candidates_bd: Decisions, opinion: Opinion) -> Decisions:
    """Change, in each candidate, the decisions whose change gains most."""
    best_bd, gain_bd = opinion.changes(candidates_bd)
    is_changed_bd = np.zeros(gain_bd.shape, dtype=bool)
    np.put_along_axis(is_changed_bd, np.argsort(-gain_bd, axis=1)[:, :_MAX_EDITS], values=True, axis=1)
    return np.where(is_changed_bd & (gain_bd > 0), best_bd, candidates_bd)


def _untaken(ordered_bd: Decisions, space: Space, taken: set[bytes], random: np.random.Generator) -> bytes:
    """The key of the first that is new; once the candidates are all taken, of a uniform draw that is."""
    if len(taken) >= space.size:
        return space.key(ordered_bd[0])
    for decisions_d in ordered_bd:
        if (key := space.key(decisions_d)) not in taken:
            return key
    # Where most of a space is taken, the space is about as small as the number of trials: this ends soon.
    while (key := space.key(space.draw(random))) in taken:
        pass
    return key
