"""The controller of choices that are made one after the other: an LSTM policy with a softmax for each.

Zoph & Le, 1611.01578, section 3.1: at each step the LSTM reads the choice before it, and its state gives the
probabilities of the next one. Choices may differ in how many options they have. Those of one kind, such as the
operation of each node, have the same options, and share what is learned of these: their embeddings and outputs.

Inside, the options of all kinds stand one after the other, and a choice sees as many of them as the widest choice has
options; those that are not its own it never takes.

Shape suffixes: b one of several, d decision, m option of a decision, o option of any kind, h hidden.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from enas_service.decisions import Decisions
from enas_service.policies import lstm
from enas_service.policies.lstm import NEVER, Initial, squashed
from enas_service.policies.policy import Likelihood
from enas_service.policies.traces import shared


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What two such controllers differ in beside their weights."""

    counts: tuple[int, ...]
    """(D,) how many options each decision has."""
    kinds: tuple[int, ...]
    """(D,) equal for decisions of one kind, which have the same number of options."""
    hidden_size: int
    """H."""
    temperature: float | None
    """Divides the logits; None leaves them."""
    tanh_const: float | None
    """Logits become ``tanh_const * tanh(logits)``; None leaves them."""

    def policy(self, seed: int) -> "SequencePolicy":
        """Make one, with weights of its own."""
        return SequencePolicy(self, seed)

    @property
    def num_lstm_steps(self) -> int:
        """One a decision."""
        return len(self.counts)

    @property
    def num_attended(self) -> int:
        """It attends to nothing."""
        return 0

    @property
    def num_embeddings(self) -> int:
        """One of each option of each kind."""
        return sum(dict(zip(self.kinds, self.counts, strict=True)).values())

    @property
    def num_outputs(self) -> int:
        """As many in each decision as the widest has options."""
        return len(self.counts) * max(self.counts)


class SequencePolicy:
    """A policy over sequences of choices; see `enas_service.policies.policy.Policy`.

    Args:
        form: what it is beside its weights.
        seed: of the initial weights.
    """

    def __init__(self, form: Form, seed: int) -> None:
        self.form = form
        counts, kinds = form.counts, form.kinds
        num_options = dict(zip(kinds, counts, strict=True))
        starts = dict(zip(num_options, np.cumsum([0, *num_options.values()]).tolist(), strict=False))
        self._start_d = np.array([starts[kind] for kind in kinds], dtype=np.int32)
        option_m = np.arange(max(counts), dtype=np.int32)
        self._is_option_dm = option_m < np.array(counts)[:, np.newaxis]
        self._option_dm = np.where(self._is_option_dm, self._start_d[:, np.newaxis] + option_m, 0)
        initial = Initial(seed)
        self._lstm = initial.lstm(form.hidden_size, len(counts))
        self._begin_1h = initial.weight("begin", 1, form.hidden_size)
        self._embedding_oh = initial.weight("embedding", form.num_embeddings, form.hidden_size)
        self._output_oh = initial.weight("output", form.num_embeddings, form.hidden_size)

    @property
    def weights(self) -> list[tf.keras.Variable]:
        """Everything that is trained."""
        return [*self._lstm.trainable_variables, self._begin_1h, self._embedding_oh, self._output_oh]

    def holding(self, weights: Sequence[tf.Tensor]) -> AbstractContextManager[None]:
        """See `Policy`."""
        return lstm.holding(self.weights, weights)

    def sample(self, count: int, seed: tuple[int, int]) -> Decisions:
        """See `Policy`."""
        draw_next, weights = drawing(self.form), [weight.value for weight in self.weights]
        read_bh = tf.repeat(self._begin_1h.value, count, axis=0)
        state = self._lstm.cell.get_initial_state(batch_size=count)
        decisions_bd = np.empty((count, len(self.form.counts)), np.int32)
        for place in range(len(self.form.counts)):
            decision_b, read_bh, *state = draw_next(
                weights, read_bh, *state, tf.constant(place), tf.constant(seed, tf.int32)
            )
            decisions_bd[:, place] = decision_b
        return decisions_bd

    def draw_next(
        self, read_bh: tf.Tensor, output_bh: tf.Tensor, memory_bh: tf.Tensor, place: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Draw one decision.

        Args:
            read_bh: what the LSTM reads: the decision before, embedded.
            output_bh: its output before that.
            memory_bh: its memory then.
            place: d, int32.
            seed: (2) int32, the same for all decisions.

        Returns:
            The decision (B), itself embedded (B, H), and the LSTM's state when it has read the one before.
        """
        output_bh, state = self._lstm.cell(read_bh, [output_bh, memory_bh])
        place_1 = place[tf.newaxis]
        logits_bm = self._logits(output_bh[:, tf.newaxis], place_1)[:, 0]
        folded = tf.random.experimental.stateless_fold_in(seed, place)
        decision_b = tf.random.stateless_categorical(logits_bm, 1, folded, dtype=tf.int32)[:, 0]
        return decision_b, self._embedded(decision_b[:, tf.newaxis], place_1)[:, 0], *state

    def likelihood(self, decisions_bd: tf.Tensor) -> Likelihood:
        """Weigh given decisions, (B, D) int32, under the policy; differentiable in the weights."""
        places_d = tf.range(len(self.form.counts))
        embedded_bdh = self._embedded(decisions_bd, places_d)
        begin_b1h = tf.zeros_like(embedded_bdh[:, :1]) + self._begin_1h
        states_bdh = self._lstm(tf.concat([begin_b1h, embedded_bdh[:, :-1]], axis=1))
        log_bdm = tf.nn.log_softmax(self._logits(states_bdh, places_d))
        log_probability_b = tf.reduce_sum(tf.gather(log_bdm, decisions_bd, batch_dims=2), axis=1)
        nothing_b = tf.zeros_like(log_probability_b)
        return Likelihood(
            log_probability_b=log_probability_b,
            entropy_b=-tf.reduce_sum(tf.exp(log_bdm) * log_bdm, axis=[1, 2]),
            skip_divergence_b=nothing_b,
            skip_rate_b=nothing_b,
        )

    def _embedded(self, decisions_bd: tf.Tensor, places_d: tf.Tensor) -> tf.Tensor:
        """Embeddings (B, D, H) of decisions at places."""
        return tf.gather(self._embedding_oh.value, tf.gather(self._start_d, places_d) + decisions_bd)

    def _logits(self, states_bdh: tf.Tensor, places_d: tf.Tensor) -> tf.Tensor:
        """Logits (B, D, M) of the options of decisions at places."""
        output_dmh = tf.gather(self._output_oh.value, tf.gather(self._option_dm, places_d))
        logits_bdm = tf.einsum("bdh,dmh->bdm", states_bdh, output_dmh)
        logits_bdm = squashed(logits_bdm, self.form.temperature, self.form.tanh_const)
        return tf.where(tf.gather(self._is_option_dm, places_d), logits_bdm, NEVER)


@shared
def drawing(form: Form) -> tf.types.experimental.PolymorphicFunction:
    """Return `SequencePolicy.draw_next` for policies of a form, their weights before its arguments."""
    policy = form.policy(seed=0)

    def draw(weights: Sequence[tf.Tensor], *arguments: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with policy.holding(weights):
            return policy.draw_next(*arguments)

    # One decision, traced once: the number of sequences is left open.
    states, scalar = tf.TensorSpec([None, form.hidden_size]), tf.TensorSpec([], tf.int32)
    weights = [tf.TensorSpec(weight.shape) for weight in policy.weights]
    signature = [weights, states, states, states, scalar, tf.TensorSpec([2], tf.int32)]
    return tf.function(draw, input_signature=signature, autograph=False)
