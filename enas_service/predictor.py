"""What decisions are worth: Bayesian regression of scores on the decisions of finished trials, and on pairs of them.

Every option of every decision, and every pair of those, has a weight with a normal prior (Bishop, Pattern
Recognition and Machine Learning, sections 3.3 and 6.2; all pairs at once through the kernel of its equation 6.10). A
policy needs hundreds of trials to find out what a single decision is worth; the regression needs about as many trials
as there are decisions that matter, and knows how sure it is of each.

Shape suffixes: n trial, b one of several, d decision, of which c are choices and j bits, o option of a choice,
f feature; in `Predictor.draw` c is a draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enas_service.decisions import Decisions
from enas_service.scores import Floats, best_and_latest

MIN_TRIALS = 9
"""With fewer finished trials, an opinion on some fifty decisions is noise."""

MAX_TRIALS = 400
"""Most trials that are looked at, the best and the latest: the cost of a round has a bound."""

_NOISE = 0.1
"""Variance of a score around the model, where the prior variance of a single decision's weight is 1."""

_PAIRS = 0.1
"""Prior variance of what all pairs of decisions add together, as a share of that of its single decisions."""

_BIT = np.sqrt(0.5)
"""Half the distance between a bit and its opposite; that between two options, too, is the square root of 2."""


class Encoding:
    """Decisions as features: a 1 for the option of each choice among 0 for the others, and a sign for each bit.

    Args:
        counts: (D,) how many options each decision has.
        num_bits: how many of the decisions, the last ones, are bits.
    """

    def __init__(self, counts: Sequence[int], num_bits: int) -> None:
        self.num_choices, self.num_bits = len(counts) - num_bits, num_bits
        counts_c = np.array(counts[: self.num_choices])
        self._num_options = int(counts_c.sum())
        self._start_c = np.cumsum(counts_c) - counts_c

    def features(self, decisions_bd: Decisions) -> Floats:
        """Encode decisions, (B, F)."""
        choices_bc, bits_bj = np.split(decisions_bd, [self.num_choices], axis=1)
        feature_bf = np.zeros((len(decisions_bd), self._num_options + self.num_bits))
        np.put_along_axis(feature_bf, self._start_c + choices_bc, 1, axis=1)
        feature_bf[:, self._num_options :] = np.where(bits_bj, _BIT, -_BIT)
        return feature_bf

    def changes(self, decisions_bd: Decisions, slope_bf: Floats) -> tuple[Decisions, Floats]:
        """The best option of each decision, (B, D), and what it adds to the worth to first order, (B, D).

        Args:
            decisions_bd: as they stand.
            slope_bf: of the worth in each feature.
        """
        choices_bc, bits_bj = np.split(decisions_bd, [self.num_choices], axis=1)
        slope_bo, slope_bj = np.split(slope_bf, [self._num_options], axis=1)
        chosen_bc = np.take_along_axis(slope_bo, self._start_c + choices_bc, axis=1)
        gains_c = [
            slope_bo - chosen_b[:, np.newaxis]
            for slope_bo, chosen_b in zip(np.split(slope_bo, self._start_c[1:], axis=1), chosen_bc.T, strict=True)
        ]
        option_bc = np.stack([gain_bo.argmax(axis=1) for gain_bo in gains_c], axis=1).astype(np.int32)
        gain_bc = np.stack([gain_bo.max(axis=1) for gain_bo in gains_c], axis=1)
        gain_bj = -2 * np.where(bits_bj, _BIT, -_BIT) * slope_bj
        return np.concatenate([option_bc, 1 - bits_bj], axis=1), np.concatenate([gain_bc, gain_bj], axis=1)


@dataclass(frozen=True, slots=True)
class Opinion:
    """One opinion of what decisions are worth, in units of the scores.

    Args:
        encoding: of the decisions.
        single_f: weight of each single decision.
        pairs_n: weight of the pairs of each trial that the opinion is built on.
        trial_nf: decisions of those trials.
    """

    encoding: Encoding
    single_f: Floats
    pairs_n: Floats
    trial_nf: Floats

    def worth(self, decisions_bd: Decisions) -> Floats:
        """Worth of decisions, (B)."""
        feature_bf = self.encoding.features(decisions_bd)
        return np.asarray(feature_bf @ self.single_f + (feature_bf @ self.trial_nf.T) ** 2 @ self.pairs_n)

    def changes(self, decisions_bd: Decisions) -> tuple[Decisions, Floats]:
        """The best option of each decision, (B, D), and what this change alone adds to the worth, to first order."""
        feature_bf = self.encoding.features(decisions_bd)
        slope_bf = self.single_f + 2 * ((feature_bf @ self.trial_nf.T) * self.pairs_n) @ self.trial_nf
        return self.encoding.changes(decisions_bd, slope_bf)


class Predictor:
    """The posterior over opinions, given finished trials.

    Args:
        encoding: of the decisions.
        decisions_nd: (N, D) of finished trials, at least one.
        scores_n: (N) what they are worth, mean 0, standard deviation about 1.
    """

    def __init__(self, encoding: Encoding, decisions_nd: Decisions, scores_n: Floats) -> None:
        index = best_and_latest(scores_n, MAX_TRIALS // 2)
        self._encoding = encoding
        self._trial_nf = encoding.features(decisions_nd[index])
        self._score_n = scores_n[index]
        # Squared length of the features, the same for all decisions.
        self._length = encoding.num_choices + encoding.num_bits / 2

    def draw(self, random: np.random.Generator, spread: float, count: int) -> list[Opinion]:
        """Draw opinions: the posterior's mean, and deviations from it in the single decisions (Matheron's rule).

        Args:
            random: source of the draws.
            spread: 0 gives the posterior's mean, 1 a fair draw (Thompson sampling).
            count: how many.
        """
        num_trials, num_features = self._trial_nf.shape
        # One after the other: the first opinions do not depend on how many follow.
        normal = np.stack([random.standard_normal(num_features + num_trials) for _ in range(count)])
        prior_fc = spread * normal[:, :num_features].T
        noise_nc = spread * np.sqrt(_NOISE) * normal[:, num_features:].T
        # In the dual form: an experiment has thousands of features and some hundred trials.
        pairs = _PAIRS / self._length
        product_nn = self._trial_nf @ self._trial_nf.T
        covariance_nn = 1 + product_nn + pairs * product_nn**2 + _NOISE * np.eye(num_trials)
        residual_nc = self._score_n[:, np.newaxis] - self._trial_nf @ prior_fc - noise_nc
        dual_nc = np.linalg.solve(covariance_nn, residual_nc)
        single_fc = prior_fc + self._trial_nf.T @ dual_nc
        return [
            Opinion(self._encoding, single_f, pairs * dual_n, self._trial_nf)
            for single_f, dual_n in zip(single_fc.T, dual_nc.T, strict=True)
        ]
