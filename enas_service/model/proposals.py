"""The next trials: those from which most improvement is expected, among those whose worth is still in doubt.

Expected improvement (Jones, Schonlau & Welch 1998, equation 15) is climbed from draws of the policy, uniform draws and
the best trials, by changing one to three decisions of the best candidates at a time (local search of the acquisition:
White et al., BANANAS, 1910.11858, section 5). Which decisions are changed is half chance and half what the model has
learned to matter. Several proposals of one request are made one after the other, each as if those before it had come
out as expected (kriging believer: Ginsbourger et al. 2010).

Without the doubt it would propose the best so far again and again, with decisions changed that do not matter.

Shape suffixes: b candidate, n trial, d decision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from enas_service.model.features import Features, Floats, Ints
from enas_service.model.normal import density, distribution
from enas_service.model.process import Posterior

_MIN_DOUBT = 0.2
"""A trial is worth its time if the model is less sure of it than this share of what it was before any trial."""

_NUM_UNIFORM = 64
_NUM_ELITES, _NUM_AROUND_ELITE = 8, 40
_NUM_ROUNDS, _NUM_TOPS, _NUM_AROUND_TOP = 7, 4, 60
_NUM_KEPT = 32
"""Candidates of one proposal from which the climb to the next one begins as well."""

_NUM_CHANGES = np.array([1, 1, 2, 3])
"""Decisions that are changed at once, each of these as likely."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """What may be proposed.

    Args:
        counts_d: options of each decision.
        described: choices (N, D) to values of the attributes (N, A).
        features: of those attributes.
        key: what is equal for networks that count as one.
    """

    counts_d: Ints
    described: Callable[[Ints], Ints]
    features: Features
    key: Callable[[Ints], bytes]

    def columns(self, choices_nd: Ints) -> Floats:
        """Columns (N, V) of networks."""
        return self.features(self.described(choices_nd))

    def draw(self, count: int, random: np.random.Generator) -> Ints:
        """Networks (B, D), each as likely as any other."""
        return (random.random((count, len(self.counts_d))) * self.counts_d).astype(np.int64)


@dataclass(slots=True)
class Climb:
    """Candidates, and what is expected to be gained by each, the best first."""

    region: Region
    random: np.random.Generator
    chance_d: Floats
    """How likely a change is to be of each decision."""
    choices_bd: Ints = field(init=False)
    gain_b: Floats = field(init=False)

    def best(self, posterior: Posterior, start_bd: Ints) -> Ints:
        """Climb from starts (B, D); return the candidates (B, D), the best first."""
        incumbent = float(posterior.score_n.max())
        self.choices_bd, self.gain_b = start_bd, self._gain(posterior, start_bd, incumbent)
        for _ in range(_NUM_ROUNDS):
            self._sort()
            around_bd = self._around(self._distinct(_NUM_TOPS), _NUM_AROUND_TOP)
            self.choices_bd = np.concatenate([self.choices_bd[: 4 * _NUM_KEPT], around_bd])
            around_b = self._gain(posterior, around_bd, incumbent)
            self.gain_b = np.concatenate([self.gain_b[: 4 * _NUM_KEPT], around_b])
        self._sort()
        return self.choices_bd

    def around(self, choices_nd: Ints) -> Ints:
        """Neighbours of each of some networks (N, D), and those themselves."""
        return np.concatenate([choices_nd, self._around(choices_nd, _NUM_AROUND_ELITE)])

    def _gain(self, posterior: Posterior, choices_bd: Ints, incumbent: float) -> Floats:
        mean_b, doubt_b = posterior.predict(self.region.columns(choices_bd))
        deviation_b = doubt_b * np.sqrt(posterior.amplitude)
        z_b = (mean_b - incumbent) / deviation_b
        gain_b = deviation_b * (z_b * distribution(z_b) + density(z_b))
        return np.where(doubt_b < _MIN_DOUBT, 1e-6 * gain_b, gain_b)

    def _sort(self) -> None:
        order_b = np.argsort(-self.gain_b, kind="stable")
        self.choices_bd, self.gain_b = self.choices_bd[order_b], self.gain_b[order_b]

    def _distinct(self, count: int) -> Ints:
        """The best that differ."""
        found: dict[bytes, int] = {}
        for index, choices_d in enumerate(self.choices_bd):
            found.setdefault(choices_d.tobytes(), index)
            if len(found) == count:
                break
        return self.choices_bd[list(found.values())]

    def _around(self, choices_nd: Ints, count: int) -> Ints:
        around_bd = np.repeat(choices_nd, count, axis=0)
        row_b, num_decisions = np.arange(len(around_bd)), len(self.chance_d)
        num_changes_b = self.random.choice(_NUM_CHANGES, size=len(around_bd))
        for change in range(_NUM_CHANGES.max()):
            decision_b = self.random.choice(num_decisions, size=len(around_bd), p=self.chance_d)
            option_b = (self.random.random(len(around_bd)) * self.region.counts_d[decision_b]).astype(np.int64)
            # Another option than there is, so that a change is one.
            count_b = self.region.counts_d[decision_b]
            option_b = np.where(option_b == around_bd[row_b, decision_b], (option_b + 1) % count_b, option_b)
            around_bd[row_b, decision_b] = np.where(
                change < num_changes_b, option_b, around_bd[row_b, decision_b]
            )
        return around_bd


def propose(
    posterior: Posterior,
    region: Region,
    *,
    trial_nd: Ints,
    start_bd: Ints,
    taken: set[bytes],
    count: int,
    random: np.random.Generator,
) -> list[Ints]:
    """Choose new networks.

    Args:
        posterior: given what has finished, and what runs as if it had come out as expected.
        region: what may be proposed.
        trial_nd: the posterior's trials, in its order.
        start_bd: more candidates, those of the policy.
        taken: keys of networks that were proposed before; those of the result are added.
        count: how many, each (D).
        random: source of uniform draws and neighbours.
    """
    climb = Climb(region, random, chances(posterior, region))
    proposals: list[Ints] = []
    kept_bd = trial_nd[:0]
    for _ in range(count):
        elite_nd = trial_nd[np.argsort(-posterior.score_n, kind="stable")[:_NUM_ELITES]]
        starts = [start_bd, region.draw(_NUM_UNIFORM, random), climb.around(elite_nd), kept_bd]
        candidates = climb.best(posterior, np.concatenate(starts))
        new_d = next((one for one in candidates if region.key(one) not in taken), candidates[0])
        taken.add(region.key(new_d))
        proposals.append(new_d)
        kept_bd, trial_nd = candidates[:_NUM_KEPT], np.concatenate([trial_nd, new_d[np.newaxis]])
        column_1v = region.columns(new_d[np.newaxis])
        posterior = posterior.with_trial(column_1v[0], float(posterior.predict(column_1v)[0][0]))
    return proposals


def chances(posterior: Posterior, region: Region) -> Floats:
    """How likely a change is to be of each decision (D): half uniform, half by what it matters."""
    free_d = (region.counts_d > 1).astype(np.float64)
    matters_d = np.zeros(len(free_d))
    for weight, decisions in zip(posterior.weights.weight_f, region.features.decisions_f, strict=True):
        if len(decisions) == 1:
            matters_d[decisions[0]] += weight
    return 0.5 * free_d / free_d.sum() + 0.5 * matters_d / matters_d.sum()
