"""From a policy's candidates to proposals: a few decisions of each are put right, and none is proposed twice.

The policy knows which decisions go together, the predictor knows what single ones are worth, sooner: so each of many
candidates, drawn by the policy or the best so far, gets its few most doubtful decisions changed, by an opinion drawn
anew for each proposal (Thompson sampling; candidates ranked by a predictor as in White et al., BANANAS, 1910.11858).
With no bound on the changes, the policy would not matter; with none, a proposal would wait for the policy.

Shape suffixes: b candidate, l layer, k source of a join, m operation, j join, d decision (a layer's
operation or a join).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enas_service.predictor import Opinion, Predictor
from enas_service.search_space import Decisions, SearchSpace, stacked

NUM_CANDIDATES = 64
"""Drawn from the policy for each request, in one batch."""

NUM_BEST = 4
"""Finished trials, the best, that are candidates as well."""

_MAX_EDITS = 4
"""Most decisions of a candidate that the predictor may change."""

_SPREAD = 0.3
"""Scale of the opinions' deviations from the posterior's mean; below a fair draw, since some 100 trials must do."""


def propose(
    candidates: Sequence[Decisions],
    predictor: Predictor | None,
    *,
    space: SearchSpace,
    taken: set[bytes],
    count: int,
    random: np.random.Generator,
) -> list[Decisions]:
    """Choose new architectures.

    Args:
        candidates: drawn from the policy, and the best so far.
        predictor: None before there are enough trials to fit one; the candidates then stand as they are.
        space: what may be proposed.
        taken: keys of architectures that were proposed before; those of the result are added.
        count: how many.
        random: source of opinions.
    """
    opinions = [None] * count if predictor is None else predictor.draw(random, _SPREAD, count)
    chosen = []
    for opinion in opinions:
        ordered = candidates if opinion is None else _by_worth(candidates, opinion)
        new = _untaken(ordered, space, taken, random)
        taken.add(new.key)
        chosen.append(new)
    return chosen


def _by_worth(candidates: Sequence[Decisions], opinion: Opinion) -> list[Decisions]:
    """Candidates, each as it is and with its worst decisions changed, the worthiest first."""
    choices_bl, joins_blk = stacked(candidates)
    changed_bl, changed_blk = _changed(choices_bl, joins_blk, opinion)
    choices_bl, joins_blk = np.concatenate([changed_bl, choices_bl]), np.concatenate([changed_blk, joins_blk])
    order = np.argsort(-opinion.worth(choices_bl, joins_blk), kind="stable")
    return [Decisions(choices_bl[index], joins_blk[index]) for index in order]


def _changed(
    choices_bl: NDArray[np.int32], joins_blk: NDArray[np.bool_], opinion: Opinion
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Change, in each candidate, the decisions whose change gains most."""
    num_layers = choices_bl.shape[1]
    choice_blm, join_bj = opinion.gains(choices_bl, joins_blk)
    gain_bd = np.concatenate([choice_blm.max(axis=2), join_bj], axis=1)
    is_changed_bd = np.zeros(gain_bd.shape, dtype=bool)
    np.put_along_axis(is_changed_bd, np.argsort(-gain_bd, axis=1)[:, :_MAX_EDITS], values=True, axis=1)
    is_changed_bd &= gain_bd > 0
    best_bl = choice_blm.argmax(axis=2).astype(np.int32)
    changed_blk = joins_blk.copy()
    changed_blk[:, np.tri(num_layers, k=-1, dtype=bool)] ^= is_changed_bd[:, num_layers:]
    return np.where(is_changed_bd[:, :num_layers], best_bl, choices_bl), changed_blk


def _untaken(
    ordered: Sequence[Decisions], space: SearchSpace, taken: set[bytes], random: np.random.Generator
) -> Decisions:
    """The first that is new; once the candidates are all taken, a uniform draw that is."""
    if len(taken) >= space.size:
        return ordered[0]
    for one in ordered:
        if one.key not in taken:
            return one
    # Where most of a space is taken, the space is about as small as the number of trials: this ends soon.
    while (drawn := space.draw(random)).key in taken:
        pass
    return drawn
