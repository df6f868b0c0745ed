"""The next trials: those from which most improvement is expected, among those whose worth is still in doubt.

Expected improvement (Jones, Schonlau & Welch 1998, equation 15) is climbed from draws of the policy, uniform draws and
the best trials, by changing one to three decisions of the best candidates at a time (local search of the acquisition:
White et al., BANANAS, 1910.11858, section 5). Which decisions are changed is half chance and half what the model has
learned to matter. Several proposals of one request are made one after the other, each as if those before it had come
out as expected (kriging believer: Ginsbourger et al. 2010).

Without the doubt it would propose the best so far again and again, with decisions changed that do not matter.

Shape suffixes: b candidate, n trial, d decision.
"""

from dataclasses import dataclass

import numpy as np

from enas_service.decisions import Decisions
from enas_service.model.features import Columns, Features, Floats
from enas_service.model.normal import density, distribution
from enas_service.model.process import Posterior
from enas_service.spaces.space import Space

_MIN_DOUBT = 0.2
"""A trial is worth its time if the model is less sure of it than this share of what it was before any trial."""

_OF_NO_DOUBT = 1e-6
"""What is left of the gain where there is less doubt: still in order, for spaces that are used up."""

_NUM_UNIFORM = 64
_NUM_ELITES, _NUM_AROUND_ELITE = 8, 40
_NUM_ROUNDS, _NUM_TOPS, _NUM_AROUND_TOP = 7, 4, 60
_NUM_ORDERED = 128
_NUM_KEPT = 32
"""Candidates of one proposal from which the climb to the next one begins as well."""

MAX_NUMBERS = 2**19
"""Numbers of columns that are held at once: candidates of a large space are judged in parts."""

_NUM_CHANGES = np.array([1, 1, 2, 3])
"""Decisions that are changed at once, each of these as likely."""


@dataclass(frozen=True, slots=True)
class Region:
    """A space, and the columns of what is in it.

    Args:
        space: what may be proposed.
        features: of its attributes.
    """

    space: Space
    features: Features

    @classmethod
    def of(cls, space: Space) -> "Region":
        """Make the features of a space."""
        return cls(space, Features(space.attributes))

    def columns(self, decisions_nd: Decisions) -> Columns:
        """Columns (N, V) of decisions."""
        return self.features(self.space.described(decisions_nd))

    def draw(self, count: int, random: np.random.Generator) -> Decisions:
        """Decisions (B, D), every combination of options as likely as any other."""
        counts = np.asarray(self.space.counts)
        return np.asarray(random.random((count, len(counts))) * counts, dtype=np.int32)


def propose(
    posterior: Posterior,
    region: Region,
    *,
    trial_nd: Decisions,
    start_bd: Decisions,
    taken: set[bytes],
    count: int,
    random: np.random.Generator,
) -> list[Decisions]:
    """Choose new decisions.

    Args:
        posterior: given what has finished, and what has not as if it had come out as expected.
        region: what may be proposed.
        trial_nd: (N, D) the posterior's trials, in its order.
        start_bd: (B, D) more candidates, those of the policy.
        taken: keys of what was proposed before; those of the result are added.
        count: how many.
        random: source of uniform draws and neighbours.

    Returns:
        As they are read back from their keys.
    """
    proposals: list[Decisions] = []
    chance_d, kept_bd = _chances(posterior, region), trial_nd[:0]
    for _ in range(count):
        elite_ed = trial_nd[np.argsort(-posterior.score_n, kind="stable")[:_NUM_ELITES]]
        around_bd = _around(elite_ed, _NUM_AROUND_ELITE, region, chance_d, random)
        starts = [start_bd, region.draw(_NUM_UNIFORM, random), elite_ed, around_bd, kept_bd]
        ordered_bd = _climbed(posterior, np.concatenate(starts), region, chance_d, random)
        key = untaken(ordered_bd, region.space, taken, random)
        taken.add(key)
        new_d = region.space.of_key(key)
        proposals.append(new_d)
        kept_bd, trial_nd = ordered_bd[:_NUM_KEPT], np.concatenate([trial_nd, new_d[np.newaxis]])
        posterior = posterior.believing(region.columns(new_d[np.newaxis])[0])
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


def judged(posterior: Posterior, region: Region, decisions_bd: Decisions) -> tuple[Floats, Floats]:
    """`Posterior.predict` of decisions (B, D), in parts."""
    size = max(1, MAX_NUMBERS // max(1, region.features.num_columns))
    parts = [decisions_bd[start : start + size] for start in range(0, len(decisions_bd), size)]
    mean_parts, doubt_parts = zip(*(posterior.predict(region.columns(part)) for part in parts), strict=True)
    return np.concatenate(mean_parts), np.concatenate(doubt_parts)


def expected_improvement(posterior: Posterior, region: Region, decisions_bd: Decisions) -> Floats:
    """What each of some decisions (B) is expected to add to the best score; next to nothing where hardly in doubt."""
    mean_b, doubt_b = judged(posterior, region, decisions_bd)
    deviation_b = doubt_b * np.sqrt(posterior.amplitude)
    z_b = (mean_b - posterior.score_n.max()) / deviation_b
    gain_b = deviation_b * (z_b * distribution(z_b) + density(z_b))
    return np.asarray(np.where(doubt_b < _MIN_DOUBT, _OF_NO_DOUBT * gain_b, gain_b))


def _climbed(
    posterior: Posterior, start_bd: Decisions, region: Region, chance_d: Floats, random: np.random.Generator
) -> Decisions:
    """Candidates (B, D) from which there is most to gain, the best first, climbing from starts."""
    ordered_bd, gain_b = start_bd[:0], np.zeros(0)
    new_bd = start_bd
    for round_number in range(_NUM_ROUNDS + 1):
        gain_b = np.concatenate([gain_b, expected_improvement(posterior, region, new_bd)])
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


def _chances(posterior: Posterior, region: Region) -> Floats:
    """How likely a change is to be of each decision (D): half uniform, half by what it matters."""
    is_free_d = (np.asarray(region.space.counts) > 1).astype(np.float64)
    # A space of a single network has nothing to change, and is asked all the same.
    uniform_d = is_free_d / is_free_d.sum() if is_free_d.any() else np.full(len(is_free_d), 1 / len(is_free_d))
    matters_d = np.zeros(len(is_free_d))
    for weight, decisions in zip(posterior.weights.weight_f, region.features.decisions_f, strict=True):
        matters_d[decisions] += weight / len(decisions)
    return (uniform_d + matters_d / matters_d.sum()) / 2 if matters_d.any() else uniform_d
