"""The controller of layers that any earlier layers may join: an LSTM policy over operations and joins.

Zoph & Le, 1611.01578, sections 3.2 and 3.3 (joins by attention over anchors); Pham et al., 1802.03268, section 2.3.

For each layer the LSTM reads what feeds it (at first the input image, later a summary of the layer before and what
joined that), and its state gives the choice of the operation; it then reads that operation, and this second state is
the layer's anchor. Source k joins a layer with the logit ``v . tanh(W_anchor anchor_k + W_query anchor_l)``
(1611.01578, equation 5). Anchor 0 is the state after the image: bit 0 of an architecture's row joins the image itself.

Its decisions are L operations, one of each layer, and then L (L - 1) / 2 bits: for each layer, whether each earlier
source joins it. Inside they are choices (B, L) and joins (B, L, L), where row l has the joins of that layer.

Shape suffixes: b architecture, l layer, k source of a join, m operation, h hidden, t step of the LSTM (two a layer).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from enas_service.decisions import Decisions
from enas_service.policies import lstm
from enas_service.policies.lstm import Initial, squashed
from enas_service.policies.policy import Likelihood
from enas_service.policies.traces import shared

_MAX_SKIP_TARGET = 1 - 1e-3
"""The KL divergence from a target of exactly 1 is infinite wherever a join is not certain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What two controllers differ in beside their weights."""

    num_layers: int
    """L."""
    num_operations: int
    """m."""
    hidden_size: int
    """H."""
    temperature: float | None
    """Divides the logits; None leaves them."""
    tanh_const: float | None
    """Logits become ``tanh_const * tanh(logits)``; None leaves them."""
    skip_target: float
    """Joining probability from which `Likelihood.skip_divergence_b` is measured."""

    def policy(self, seed: int) -> "Controller":
        """Make one, with weights of its own."""
        return Controller(self, seed)

    @property
    def num_lstm_steps(self) -> int:
        """Two a layer: it reads what feeds the layer, and its operation."""
        return 2 * self.num_layers

    @property
    def num_attended(self) -> int:
        """Each layer attends to each source: later ones, too, are computed."""
        return self.num_layers**2

    @property
    def num_embeddings(self) -> int:
        """One of each operation."""
        return self.num_operations

    @property
    def num_outputs(self) -> int:
        """One of each operation in each layer."""
        return self.num_layers * self.num_operations


class Controller:
    """A policy over the architectures of one search space; see `enas_service.policies.policy.Policy`.

    Args:
        form: what it is beside its weights.
        seed: of the initial weights.
    """

    def __init__(self, form: Form, seed: int) -> None:
        self.form = form
        num_operations, hidden_size = form.num_operations, form.hidden_size
        self._num_layers = form.num_layers
        self._earlier_lk = np.tri(form.num_layers, k=-1, dtype=np.bool_)
        self._skip_target = min(form.skip_target, _MAX_SKIP_TARGET)
        initial = Initial(seed)
        self._lstm = initial.lstm(hidden_size, form.num_lstm_steps)
        self._image_1h = initial.weight("image", 1, hidden_size)
        self._operations_mh = initial.weight("operations", num_operations, hidden_size)
        self._choice_hm = initial.weight("choice", hidden_size, num_operations)
        self._anchor_hh = initial.weight("anchor", hidden_size, hidden_size)
        self._query_hh = initial.weight("query", hidden_size, hidden_size)
        self._attention_h = initial.weight("attention", hidden_size)

    @property
    def weights(self) -> list[tf.keras.Variable]:
        """Everything that is trained."""
        return [
            *self._lstm.trainable_variables,
            self._image_1h,
            self._operations_mh,
            self._choice_hm,
            self._anchor_hh,
            self._query_hh,
            self._attention_h,
        ]

    def holding(self, weights: Sequence[tf.Tensor]) -> AbstractContextManager[None]:
        """See `Policy`."""
        return lstm.holding(self.weights, weights)

    def sample(self, count: int, seed: tuple[int, int]) -> Decisions:
        """See `Policy`."""
        draw_layer, weights = drawing(self.form), [weight.value for weight in self.weights]
        image_bh = tf.repeat(self._image_1h.value, count, axis=0)
        output_bh, state = self._lstm.cell(image_bh, self._lstm.cell.get_initial_state(batch_size=count))
        inputs_bkh, anchors_bkh = image_bh[:, tf.newaxis], output_bh[:, tf.newaxis]
        choices_bl = np.empty((count, self._num_layers), np.int32)
        joins_blk = np.zeros((count, self._num_layers, self._num_layers), np.bool_)
        for layer in range(self._num_layers):
            choice_b, join_bk, operation_b1h, anchor_b1h, *state = draw_layer(
                weights, *state, inputs_bkh[:, :layer], anchors_bkh[:, :layer], tf.constant(seed, tf.int32)
            )
            choices_bl[:, layer], joins_blk[:, layer, :layer] = choice_b, join_bk
            inputs_bkh = tf.concat([inputs_bkh, operation_b1h], axis=1)
            anchors_bkh = tf.concat([anchors_bkh, anchor_b1h], axis=1)
        return np.concatenate([choices_bl, joins_blk[:, self._earlier_lk].astype(np.int32)], axis=1)

    def likelihood(self, decisions_bd: tf.Tensor) -> Likelihood:
        """Weigh given architectures, (B, D) int32, under the policy; differentiable in the weights."""
        choices_bl, joins_blk = self._split(decisions_bd)
        states_bth = self._read(choices_bl, joins_blk)
        anchors_blh = states_bth[:, 1::2]
        # Source 0 is the image; the last layer's anchor is a source of nothing.
        sources_bkh = tf.concat([states_bth[:, :1], anchors_blh[:, :-1]], axis=1)
        choice_blm = self._choice_logits(states_bth[:, 0::2])
        join_blk = self._join_logits(sources_bkh[:, tf.newaxis], anchors_blh[:, :, tf.newaxis])

        earlier_lk = tf.constant(self._earlier_lk, tf.float32)
        join_p_blk = tf.sigmoid(join_blk)
        log_join_blk, log_pass_blk = tf.math.log_sigmoid(join_blk), tf.math.log_sigmoid(-join_blk)
        chosen_bl = -tf.nn.sparse_softmax_cross_entropy_with_logits(choices_bl, choice_blm)
        joined_blk = tf.where(joins_blk, log_join_blk, log_pass_blk)
        log_choice_blm = tf.nn.log_softmax(choice_blm)
        join_entropy_blk = -(join_p_blk * log_join_blk + (1 - join_p_blk) * log_pass_blk)
        target = self._skip_target
        divergence_blk = join_p_blk * (log_join_blk - np.log(target)) + (1 - join_p_blk) * (
            log_pass_blk - np.log(1 - target)
        )

        def over_joins(values_blk: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(values_blk * earlier_lk, axis=[1, 2])

        return Likelihood(
            log_probability_b=tf.reduce_sum(chosen_bl, axis=1) + over_joins(joined_blk),
            entropy_b=-tf.reduce_sum(tf.exp(log_choice_blm) * log_choice_blm, axis=[1, 2])
            + over_joins(join_entropy_blk),
            skip_divergence_b=over_joins(divergence_blk) / self._num_layers,
            skip_rate_b=over_joins(join_p_blk) / max(1, self._num_layers * (self._num_layers - 1) // 2),
        )

    def _split(self, decisions_bd: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Decisions (B, D) as choices (B, L) int32 and joins (B, L, L) bool; no source joins an earlier layer."""
        choices_bl, bits_bj = decisions_bd[:, : self._num_layers], decisions_bd[:, self._num_layers :]
        num_joins = np.count_nonzero(self._earlier_lk)
        # Where there is no place for a join stands the zero that is put after the bits.
        place_lk = np.full(self._earlier_lk.shape, num_joins)
        place_lk[self._earlier_lk] = np.arange(num_joins)
        return choices_bl, tf.gather(tf.pad(bits_bj, [[0, 0], [0, 1]]), place_lk, axis=1) > 0

    def _read(self, choices_bl: tf.Tensor, joins_blk: tf.Tensor) -> tf.Tensor:
        """Run the LSTM along given architectures; return its states (B, 2L, H)."""
        operations_blh = tf.gather(self._operations_mh.value, choices_bl)
        image_b1h = tf.zeros_like(operations_blh[:, :1]) + self._image_1h
        sources_bkh = tf.concat([image_b1h, operations_blh[:, :-1]], axis=1)
        feeds_blh = _mean_of_sources(operations_blh, joins_blk, sources_bkh)
        feeds_blh = tf.concat([image_b1h, feeds_blh[:, :-1]], axis=1)
        inputs_bl2h = tf.stack([feeds_blh, operations_blh], axis=2)
        return self._lstm(tf.reshape(inputs_bl2h, [-1, 2 * self._num_layers, self._lstm.units]))

    def draw_layer(
        self, output_bh: tf.Tensor, memory_bh: tf.Tensor, inputs_bkh: tf.Tensor, anchors_bkh: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Draw a layer and read it.

        Args:
            output_bh: the LSTM's output when it has read what feeds the layer.
            memory_bh: its memory then.
            inputs_bkh: the sources that may join the layer, as inputs.
            anchors_bkh: the same, as anchors.
            seed: (2) int32, the same for all layers.

        Returns:
            The choice (B), the joins (B, K), the operation's embedding and the layer's anchor (B, 1, H), and the
            LSTM's state when it has read what the layer hands on.
        """
        layer = tf.shape(inputs_bkh)[1]
        choice_seed, join_seed = tf.unstack(tf.random.split(tf.random.experimental.stateless_fold_in(seed, layer)))
        logits_bm = self._choice_logits(output_bh)
        choice_b = tf.random.stateless_categorical(logits_bm, 1, choice_seed, dtype=tf.int32)[:, 0]
        operation_bh = tf.gather(self._operations_mh.value, choice_b)
        anchor_bh, state = self._lstm.cell(operation_bh, [output_bh, memory_bh])
        logits_bk = self._join_logits(anchors_bkh, anchor_bh[:, tf.newaxis])
        join_bk = tf.random.stateless_uniform(tf.shape(logits_bk), join_seed) < tf.sigmoid(logits_bk)
        operation_b1h = operation_bh[:, tf.newaxis]
        feed_b1h = _mean_of_sources(operation_b1h, join_bk[:, tf.newaxis], inputs_bkh)
        _, state = self._lstm.cell(feed_b1h[:, 0], state)
        return choice_b, join_bk, operation_b1h, anchor_bh[:, tf.newaxis], *state

    def _choice_logits(self, states_h: tf.Tensor) -> tf.Tensor:
        """Logits of the operations: (…, H) to (…, m)."""
        return self._squash(tf.tensordot(states_h, self._choice_hm.value, axes=1))

    def _join_logits(self, sources_h: tf.Tensor, queries_h: tf.Tensor) -> tf.Tensor:
        """Log-odds of a join, for sources and queries (…, H) that broadcast against each other.

        A join is a choice of two, whose logits are the attention's score and its negative; so the log-odds are twice
        the squashed score.
        """
        keys_h = tf.tensordot(sources_h, self._anchor_hh.value, axes=1)
        keys_h += tf.tensordot(queries_h, self._query_hh.value, axes=1)
        return 2 * self._squash(tf.tensordot(tf.tanh(keys_h), self._attention_h.value, axes=1))

    def _squash(self, logits: tf.Tensor) -> tf.Tensor:
        return squashed(logits, self.form.temperature, self.form.tanh_const)


@shared
def drawing(form: Form) -> tf.types.experimental.PolymorphicFunction:
    """Return `Controller.draw_layer` for controllers of a form, their weights before its arguments."""
    controller = form.policy(seed=0)

    def draw(weights: Sequence[tf.Tensor], *arguments: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with controller.holding(weights):
            return controller.draw_layer(*arguments)

    # One layer, traced once: the numbers of architectures and of earlier layers are left open.
    weights = [tf.TensorSpec(weight.shape) for weight in controller.weights]
    states, sources = tf.TensorSpec([None, form.hidden_size]), tf.TensorSpec([None, None, form.hidden_size])
    signature = [weights, states, states, sources, sources, tf.TensorSpec([2], tf.int32)]
    return tf.function(draw, input_signature=signature, autograph=False)


def _mean_of_sources(operations_blh: tf.Tensor, joins_blk: tf.Tensor, sources_bkh: tf.Tensor) -> tf.Tensor:
    """What a layer hands on: the mean of its own operation and of the sources that join it."""
    joins_blk = tf.cast(joins_blk, tf.float32)
    joined_blh = tf.matmul(joins_blk, sources_bkh)
    return (operations_blh + joined_blh) / (1 + tf.reduce_sum(joins_blk, axis=2, keepdims=True))
