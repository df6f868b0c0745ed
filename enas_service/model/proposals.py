"""The next trials: those that serve an aim best, such as the improvement that is expected of them (`aims`).

That is climbed from draws of the policy, uniform draws and the best trials, by changing one to three decisions of the
best candidates at a time (local search of the acquisition: White et al., BANANAS, 1910.11858, section 5). Which
decisions are changed is half chance and half what the model has learned to matter. Several proposals of one request are
made one after the other, each as if those before it had come out as expected (kriging believer: Ginsbourger et al.
2010).

Shape suffixes: b candidate, n trial, d decision.
"""

from collections.abc import Sequence

import numpy as np

from enas_service.decisions import Decisions
from enas_service.model.aims import Aim
from enas_service.model.features import Floats
from enas_service.model.process import Weights
from enas_service.model.region import Region
from enas_service.spaces.space import Space

_NUM_UNIFORM = 64
_NUM_ELITES, _NUM_AROUND_ELITE = 8, 40
_NUM_ROUNDS, _NUM_TOPS, _NUM_AROUND_TOP = 7, 4, 60
_NUM_ORDERED = 128
_NUM_KEPT = 32
"""Candidates of one proposal from which the climb to the next one begins as well."""

_NUM_CHANGES = np.array([1, 1, 2, 3])
"""Decisions that are changed at once, each of these as likely."""


def propose(
    aim: Aim,
    region: Region,
    *,
    start_bd: Decisions,
    taken: set[bytes],
    count: int,
    random: np.random.Generator,
) -> list[Decisions]:
    """Choose new decisions.

    Args:
        aim: given what has finished, and what has not as if it had come out as expected.
        region: what may be proposed.
        start_bd: (B, D) more candidates, those of the policy.
        taken: keys of what was proposed before; those of the result are added.
        count: how many.
        random: source of uniform draws and neighbours.

    Returns:
        As they are read back from their keys.
    """
    proposals: list[Decisions] = []
    chance_d, kept_bd = _chances(aim.weights, region), start_bd[:0]
    for _ in range(count):
        elite_ed = aim.elites(_NUM_ELITES)
        around_bd = _around(elite_ed, _NUM_AROUND_ELITE, region, chance_d, random)
        starts = [start_bd, region.draw(_NUM_UNIFORM, random), elite_ed, around_bd, kept_bd]
        ordered_bd = _climbed(aim, np.concatenate(starts), region, chance_d, random)
        key = untaken(ordered_bd, region.space, taken, random)
        taken.add(key)
        new_d = region.space.of_key(key)
        proposals.append(new_d)
        kept_bd, aim = ordered_bd[:_NUM_KEPT], aim.believing(new_d)
    return proposals


def untaken(ordered_bd: Decisions, space: Space, taken: set[bytes], random: np.random.Generator) -> bytes:
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


def _climbed(aim: Aim, start_bd: Decisions, region: Region, chance_d: Floats, random: np.random.Generator) -> Decisions:
    """Candidates (B, D) from which there is most to gain, the best first, climbing from starts."""
    ordered_bd, gain_b = start_bd[:0], np.zeros(0)
    new_bd = start_bd
    for round_number in range(_NUM_ROUNDS + 1):
        gain_b = np.concatenate([gain_b, aim.gain(new_bd)])
        order_b = np.argsort(-gain_b, kind="stable")[:_NUM_ORDERED]
        ordered_bd, gain_b = np.concatenate([ordered_bd, new_bd])[order_b], gain_b[order_b]
        if round_number < _NUM_ROUNDS:
            new_bd = _around(_distinct(ordered_bd, _NUM_TOPS), _NUM_AROUND_TOP, region, chance_d, random)
    return ordered_bd


def _distinct(ordered_bd: Decisions, count: int) -> Decisions:
    """The first that differ."""
    found: dict[bytes, int] = {}
    for place, decisions_d in enumerate(ordered_bd):
        found.setdefault(decisions_d.tobytes(), place)
        if len(found) == count:
            break
    return ordered_bd[list(found.values())]


def _around(
    center_nd: Decisions, count: int, region: Region, chance_d: Floats, random: np.random.Generator
) -> Decisions:
    """So many neighbours of each, (N * count, D)."""
    counts, around_bd = np.asarray(region.space.counts), np.repeat(center_nd, count, axis=0)
    row_b = np.arange(len(around_bd))
    num_changes_b = random.choice(_NUM_CHANGES, size=len(row_b))
    for change in range(_NUM_CHANGES.max()):
        row_c = row_b[change < num_changes_b]
        decision_c = random.choice(len(counts), size=len(row_c), p=chance_d)
        # Another option than there is, each as likely.
        step_c = 1 + (random.random(len(row_c)) * (counts[decision_c] - 1)).astype(np.int32)
        around_bd[row_c, decision_c] = (around_bd[row_c, decision_c] + step_c) % counts[decision_c]
    return around_bd


def _chances(weights: Sequence[Weights], region: Region) -> Floats:
    """How likely a change is to be of each decision (D): half uniform, half by what it matters."""
    is_free_d = (np.asarray(region.space.counts) > 1).astype(np.float64)
    # A space of a single network has nothing to change, and is asked all the same.
    uniform_d = is_free_d / is_free_d.sum() if is_free_d.any() else np.full(len(is_free_d), 1 / len(is_free_d))
    matters_d = np.zeros(len(is_free_d))
    for one in weights:
        matters_d += _matters(one, region) / len(weights)
    return (uniform_d + matters_d) / 2 if matters_d.any() else uniform_d


def _matters(weights: Weights, region: Region) -> Floats:
    """Shares (D) of what decisions matter."""
    matters_d = np.zeros(len(region.space.counts))
    for weight, decisions in zip(weights.weight_f, region.features.decisions_f, strict=True):
        matters_d[decisions] += weight / len(decisions)
    return np.asarray(matters_d / matters_d.sum() if matters_d.any() else matters_d)
