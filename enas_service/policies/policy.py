"""What a search asks of a policy: that it draws decisions, and says how likely given ones are, so that it can learn.

A policy's weights are its own, what TensorFlow traces is shared by all policies of one form (see
`enas_service.policies.traces`); so a form, a small value that can be hashed, says all that goes into a trace.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from enas_service.decisions import Decisions


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a policy makes of given decisions; each a float32 tensor (B,).

    Args:
        log_probability_b: natural logarithm of the decisions' probability.
        entropy_b: entropy of the single decisions along the way, in nats.
        skip_divergence_b: KL divergence of the joining probabilities from the target, summed over the joins of a
            layer and averaged over the layers; 0 for a policy that decides on no joins.
        skip_rate_b: mean probability of a join; 0 where there is no place for one.
    """

    log_probability_b: tf.Tensor
    entropy_b: tf.Tensor
    skip_divergence_b: tf.Tensor
    skip_rate_b: tf.Tensor


class Policy(Protocol):
    """A distribution over decisions, with weights that are trained."""

    @property
    def form(self) -> "PolicyForm":
        """What it is beside its weights."""

    @property
    def weights(self) -> list[tf.keras.Variable]:
        """Everything that is trained, always in the same order."""

    def holding(self, weights: Sequence[tf.Tensor]) -> AbstractContextManager[None]:
        """Within, in this thread, compute with weights given in the order of `weights`, in place of one's own."""

    def sample(self, count: int, seed: tuple[int, int]) -> Decisions:
        """Draw decisions; the same seed and weights give the same ones.

        Args:
            count: how many, >= 1.
            seed: two int32.

        Returns:
            (count, D).
        """

    def likelihood(self, decisions_bd: tf.Tensor) -> Likelihood:
        """Weigh given decisions, (B, D) int32; differentiable in the weights. It may be traced."""


class PolicyForm(Protocol):
    """What two policies differ in beside their weights; hashable. It also says what their computations are made of."""

    def policy(self, seed: int) -> Policy:
        """Make one, with weights of its own drawn by a seed."""

    @property
    def hidden_size(self) -> int:
        """H, the width of the LSTM and of all embeddings."""

    @property
    def num_lstm_steps(self) -> int:
        """Steps of the LSTM for the decisions of one draw."""

    @property
    def num_attended(self) -> int:
        """Scores of attention in one draw: pairs of a query and an anchor."""

    @property
    def num_embeddings(self) -> int:
        """Options that have an embedding, and an output of their own."""

    @property
    def num_outputs(self) -> int:
        """Outputs for such options that are computed in one draw."""
