"""From a policy's candidates to proposals: a few decisions of each are put right, and none is proposed twice.

The policy knows which decisions go together, the predictor knows what single ones are worth, sooner: so each of many
candidates that the policy draws gets its few most doubtful decisions changed, by an opinion drawn anew for each
proposal (Thompson sampling; candidates ranked by a predictor as in White et al., BANANAS, 1910.11858). With no
bound on the changes, the policy would not matter; with none, a proposal would wait for the policy.

Shape suffixes: b candidate, l layer, k source of a join, d decision (a layer's operation or a join).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enas_service.predictor import Predictor, Worth
from enas_service.scores import Floats
from enas_service.search_space import Decisions, SearchSpace

NUM_CANDIDATES = 64
"""Drawn from the policy for each request, in one batch."""

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
        candidates: drawn from the policy.
        predictor: None before there are enough trials to fit one; the candidates then stand as they are.
        space: what may be proposed.
        taken: keys of architectures that were proposed before; those of the result are added.
        count: how many.
        random: source of opinions.
    """
    opinions = [None] * count if predictor is None else predictor.draw(random, _SPREAD, count)
    chosen = []
    for worth in opinions:
        ordered = candidates if worth is None else _by_worth(candidates, worth)
        new = _untaken(ordered, space, taken, random)
        taken.add(new.key)
        chosen.append(new)
    return chosen


def _by_worth(candidates: Sequence[Decisions], worth: Worth) -> list[Decisions]:
    """Candidates, each as it is and with its worst decisions changed, the worthiest first."""
    choices_bl = np.stack([one.choices_l for one in candidates])
    joins_blk = np.stack([one.joins_lk for one in candidates])
    edited_bl, edited_blk = _edited(choices_bl, joins_blk, worth)
    choices_bl, joins_blk = np.concatenate([edited_bl, choices_bl]), np.concatenate([edited_blk, joins_blk])
    order = np.argsort(-_total(choices_bl, joins_blk, worth), kind="stable")
    return [Decisions(choices_bl[index], joins_blk[index]) for index in order]


def _edited(
    choices_bl: NDArray[np.int32], joins_blk: NDArray[np.bool_], worth: Worth
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Change, in each candidate, the decisions whose change gains most."""
    num_layers = choices_bl.shape[1]
    earlier_lk = np.tri(num_layers, k=-1, dtype=bool)
    best_l = worth.choice_lm.argmax(axis=1).astype(np.int32)
    choice_gain_bl = worth.choice_lm.max(axis=1) - worth.choice_lm[np.arange(num_layers), choices_bl]
    join_gain_bj = np.where(joins_blk, -2, 2)[:, earlier_lk] * worth.join_lk[earlier_lk]
    gain_bd = np.concatenate([choice_gain_bl, join_gain_bj], axis=1)
    changed_bd = np.zeros(gain_bd.shape, dtype=bool)
    np.put_along_axis(changed_bd, np.argsort(-gain_bd, axis=1)[:, :_MAX_EDITS], values=True, axis=1)
    changed_bd &= gain_bd > 0
    edited_blk = joins_blk.copy()
    edited_blk[:, earlier_lk] ^= changed_bd[:, num_layers:]
    return np.where(changed_bd[:, :num_layers], best_l, choices_bl), edited_blk


def _total(choices_bl: NDArray[np.int32], joins_blk: NDArray[np.bool_], worth: Worth) -> Floats:
    """Worth of each architecture, (B,)."""
    earlier_lk = np.tri(choices_bl.shape[1], k=-1, dtype=bool)
    of_choices_bl = worth.choice_lm[np.arange(choices_bl.shape[1]), choices_bl]
    of_joins_bj = np.where(joins_blk, 1, -1)[:, earlier_lk] * worth.join_lk[earlier_lk]
    total_b: Floats = of_choices_bl.sum(axis=1) + of_joins_bj.sum(axis=1)
    return total_b


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
