"""The controller of cells: an LSTM policy over the sources and the operations of nodes, which looks back at nodes.

Pham et al., 1802.03268, section 2.4 (convolutional cells) and 2.1 (recurrent ones). Node by node, the LSTM chooses of
each edge where it comes from, and then its operation. A source is chosen by attention over the anchors of what stands
before the node, with the logits ``v . tanh(W_anchor anchor_k + W_query state)`` (Zoph & Le, 1611.01578, equation 5) and
a softmax over them: exactly one. A cell begins with the LSTM's state at the end of the cell before.

After an operation the LSTM reads that operation's embedding; after a source it reads what that is: the embedding of its
place, and of a node also the mean of its operations', where the published code reads the anchor itself. So what is read
is known from the decisions, and given ones are weighed in one pass, as those of layers are.

In a convolutional cell inputs and nodes have steps of their own, whose states are their anchors. In a recurrent cell
the state after a node's first step is its anchor, and that of the one input is 0.

Shape suffixes: b network, c cell, n node, e edge of a node, k source (the inputs, then the nodes), m operation, d
decision, t step of the LSTM, h hidden.
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

    num_cells: int
    num_inputs: int
    """Of a cell."""
    num_nodes: int
    """Of a cell, without its inputs."""
    num_edges: int
    """Of a node: each has a source and an operation."""
    num_operations: int
    has_own_steps: bool
    """Whether inputs and nodes have steps of their own."""
    hidden_size: int
    """H."""
    temperature: float | None
    """Divides the logits; None leaves them."""
    tanh_const: float | None
    """Logits become ``tanh_const * tanh(logits)``; None leaves them."""

    def policy(self, seed: int) -> "CellPolicy":
        """Make one, with weights of its own."""
        return CellPolicy(self, seed)

    @property
    def num_decisions(self) -> int:
        """D: of each edge of each node of each cell its source, then its operation."""
        return self.num_cells * self.num_nodes * self.num_edges * 2

    @property
    def num_sources(self) -> int:
        """K, of a cell: its inputs and its nodes."""
        return self.num_inputs + self.num_nodes

    @property
    def num_lstm_steps(self) -> int:
        """One a decision, and those that inputs and nodes have of their own."""
        own = self.num_sources * self.num_cells if self.has_own_steps else 0
        return self.num_decisions + own

    @property
    def num_attended(self) -> int:
        """Each source is chosen among all of its cell: later ones, too, are computed."""
        return self.num_decisions // 2 * self.num_sources

    @property
    def num_embeddings(self) -> int:
        """One of each operation."""
        return self.num_operations

    @property
    def num_outputs(self) -> int:
        """One of each operation at each edge."""
        return self.num_decisions // 2 * self.num_operations


class CellPolicy:
    """A policy over cells; see `enas_service.policies.policy.Policy`.

    Args:
        form: what it is beside its weights.
        seed: of the initial weights.
    """

    def __init__(self, form: Form, seed: int) -> None:
        self.form = form
        hidden_size, num_operations = form.hidden_size, form.num_operations
        initial = Initial(seed)
        self._lstm = initial.lstm(hidden_size, self.form.num_lstm_steps)
        self._begin_h = initial.weight("begin", hidden_size)
        self._places_kh = initial.weight("places", self.form.num_sources, hidden_size)
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
            self._begin_h,
            self._places_kh,
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
        form, draw_node, weights = self.form, drawing(self.form), [weight.value for weight in self.weights]
        state = self._lstm.cell.get_initial_state(batch_size=count)
        begin_bh = tf.repeat(self._begin_h.value[tf.newaxis], count, axis=0)
        places_bkh = tf.repeat(self._places_kh.value[tf.newaxis], count, axis=0)
        decisions = []
        for cell in range(form.num_cells):
            anchors = [tf.zeros_like(begin_bh)] * form.num_inputs
            if form.has_own_steps:
                for place in range(form.num_inputs):
                    anchors[place], state = self._lstm.cell(begin_bh, state)
            sources_bkh, anchors_bkh = places_bkh[:, : form.num_inputs], tf.stack(anchors, axis=1)
            read_bh = begin_bh
            for node in range(form.num_nodes):
                decision_be2, read_bh, source_b1h, anchor_b1h, *state = draw_node(
                    weights, read_bh, *state, sources_bkh, anchors_bkh,
                    tf.constant(cell * form.num_nodes + node), tf.constant(seed, tf.int32),
                )  # fmt: skip
                decisions.append(decision_be2.numpy().reshape(count, 2 * form.num_edges))
                sources_bkh = tf.concat([sources_bkh, source_b1h], axis=1)
                anchors_bkh = tf.concat([anchors_bkh, anchor_b1h], axis=1)
        return np.concatenate(decisions, axis=1)

    def draw_node(
        self,
        read_bh: tf.Tensor,
        output_bh: tf.Tensor,
        memory_bh: tf.Tensor,
        sources_bkh: tf.Tensor,
        anchors_bkh: tf.Tensor,
        number: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """Draw a node, and read it.

        Args:
            read_bh: what the LSTM reads at its first step.
            output_bh: the LSTM's output before that.
            memory_bh: its memory then.
            sources_bkh: what stands before the node, as it is read.
            anchors_bkh: the same, as anchors.
            number: of the node among those of all cells, int32.
            seed: (2) int32, the same for all nodes.

        Returns:
            The source and the operation of each edge (B, E, 2), what the LSTM reads at the first step of the next node,
            the node as it is read and its anchor (B, 1, H), and the LSTM's state.
        """
        form, state = self.form, [output_bh, memory_bh]
        seeds = tf.unstack(tf.random.split(tf.random.experimental.stateless_fold_in(seed, number), 2 * form.num_edges))
        drawn, outputs, operations = [], [], []
        for place in range(2 * form.num_edges):
            output_bh, state = self._lstm.cell(read_bh, state)
            outputs.append(output_bh)
            is_source = place < form.num_edges
            logits_b = self._source_logits(anchors_bkh, output_bh) if is_source else self._choice_logits(output_bh)
            drawn.append(tf.random.stateless_categorical(logits_b, 1, seeds[place], dtype=tf.int32)[:, 0])
            if is_source:
                read_bh = tf.gather(sources_bkh, drawn[-1], batch_dims=1)
            else:
                read_bh = tf.gather(self._operations_mh.value, drawn[-1])
                operations.append(read_bh)
        anchor_bh = outputs[0]
        if form.has_own_steps:
            anchor_bh, state = self._lstm.cell(read_bh, state)
            read_bh = tf.zeros_like(read_bh) + self._begin_h
        place_1h = tf.gather(self._places_kh.value, [form.num_inputs + number % form.num_nodes])
        source_bh = place_1h + tf.add_n(operations) / form.num_edges
        decision_be2 = tf.stack([tf.stack(drawn[: form.num_edges], 1), tf.stack(drawn[form.num_edges :], 1)], axis=2)
        return decision_be2, read_bh, source_bh[:, tf.newaxis], anchor_bh[:, tf.newaxis], *state

    def likelihood(self, decisions_bd: tf.Tensor) -> Likelihood:
        """Weigh given cells, (B, D) int32, under the policy; differentiable in the weights."""
        form = self.form
        shape = [-1, form.num_cells, form.num_nodes, form.num_edges, 2]
        sources_bcne, choices_bcne = tf.unstack(tf.reshape(decisions_bd, shape), axis=4)
        anchors_bckh, states_bcnth = self._read(sources_bcne, choices_bcne)
        asking_bcneh = states_bcnth[:, :, :, : form.num_edges]
        source_bcnek = self._source_logits(anchors_bckh[:, :, tf.newaxis, tf.newaxis], asking_bcneh)
        is_earlier_nk = np.tri(form.num_nodes, form.num_sources, form.num_inputs - 1, dtype=np.bool_)
        source_bcnek = tf.where(is_earlier_nk[:, np.newaxis], source_bcnek, NEVER)
        choice_bcnem = self._choice_logits(states_bcnth[:, :, :, form.num_edges : 2 * form.num_edges])
        log_probability_b, entropy_b = tf.constant(0.0), tf.constant(0.0)
        for logits, taken_bcne in ((source_bcnek, sources_bcne), (choice_bcnem, choices_bcne)):
            logs = tf.nn.log_softmax(logits)
            log_probability_b += tf.reduce_sum(tf.gather(logs, taken_bcne, batch_dims=4), axis=[1, 2, 3])
            entropy_b -= tf.reduce_sum(tf.exp(logs) * logs, axis=[1, 2, 3, 4])
        nothing_b = tf.zeros_like(log_probability_b)
        return Likelihood(
            log_probability_b=log_probability_b,
            entropy_b=entropy_b,
            skip_divergence_b=nothing_b,
            skip_rate_b=nothing_b,
        )

    def _read(self, sources_bcne: tf.Tensor, choices_bcne: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Run the LSTM along given cells; return anchors (B, C, K, H), and the states of each node (B, C, N, T, H)."""
        form, size = self.form, self.form.hidden_size
        operations_bcneh = tf.gather(self._operations_mh.value, choices_bcne)
        nodes_bcnh = self._places_kh[form.num_inputs :] + tf.reduce_mean(operations_bcneh, axis=3)
        inputs_bckh = tf.zeros_like(nodes_bcnh[:, :, :1]) + self._places_kh[: form.num_inputs]
        known_bckh = tf.concat([inputs_bckh, nodes_bcnh], axis=2)
        of_edges = [form.num_nodes, form.num_edges]
        picked_bcxh = tf.gather(
            known_bckh, tf.reshape(sources_bcne, [-1, form.num_cells, np.prod(of_edges)]), batch_dims=2
        )
        picked_bcneh = tf.reshape(picked_bcxh, [-1, form.num_cells, *of_edges, size])
        begin_bcn1h = tf.zeros_like(operations_bcneh[:, :, :, :1]) + self._begin_h
        if form.has_own_steps:
            read_bcnth = tf.concat([begin_bcn1h, picked_bcneh, operations_bcneh], axis=3)
        else:
            before_bcn1h = tf.concat([begin_bcn1h[:, :, :1], operations_bcneh[:, :, :-1, -1:]], axis=2)
            read_bcnth = tf.concat([before_bcn1h, picked_bcneh, operations_bcneh[:, :, :, :-1]], axis=3)
        num_of_node = read_bcnth.shape[3]
        read_bcth = tf.reshape(read_bcnth, [-1, form.num_cells, form.num_nodes * num_of_node, size])
        num_before = form.num_inputs if form.has_own_steps else 0
        read_bcth = tf.concat([tf.repeat(begin_bcn1h[:, :, 0], num_before, axis=2), read_bcth], axis=2)
        states_bth = self._lstm(tf.reshape(read_bcth, [-1, form.num_lstm_steps, size]))
        states_bcth = tf.reshape(states_bth, [-1, *read_bcth.shape[1:]])
        states_bcnth = tf.reshape(states_bcth[:, :, num_before:], [-1, *read_bcnth.shape[1:]])
        of_inputs_bckh = states_bcth[:, :, :num_before] if form.has_own_steps else tf.zeros_like(inputs_bckh)
        of_nodes_bcnh = states_bcnth[:, :, :, -1 if form.has_own_steps else 0]
        return tf.concat([of_inputs_bckh, of_nodes_bcnh], axis=2), states_bcnth

    def _source_logits(self, anchors_kh: tf.Tensor, states_h: tf.Tensor) -> tf.Tensor:
        """Logits (…, K) of anchors (…, K, H) as sources, where the LSTM has the states (…, H)."""
        keys_kh = tf.tensordot(anchors_kh, self._anchor_hh.value, axes=1)
        queries_1h = tf.tensordot(states_h, self._query_hh.value, axes=1)[..., tf.newaxis, :]
        return self._squash(tf.tensordot(tf.tanh(keys_kh + queries_1h), self._attention_h.value, axes=1))

    def _choice_logits(self, states_h: tf.Tensor) -> tf.Tensor:
        """Logits of the operations: (…, H) to (…, m)."""
        return self._squash(tf.tensordot(states_h, self._choice_hm.value, axes=1))

    def _squash(self, logits: tf.Tensor) -> tf.Tensor:
        return squashed(logits, self.form.temperature, self.form.tanh_const)


@shared
def drawing(form: Form) -> tf.types.experimental.PolymorphicFunction:
    """Return `CellPolicy.draw_node` for policies of a form, their weights before its arguments."""
    policy = form.policy(seed=0)

    def draw(weights: Sequence[tf.Tensor], *arguments: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with policy.holding(weights):
            return policy.draw_node(*arguments)

    # One node, traced once: the numbers of networks and of earlier nodes are left open.
    weights = [tf.TensorSpec(weight.shape) for weight in policy.weights]
    states, sources = tf.TensorSpec([None, form.hidden_size]), tf.TensorSpec([None, None, form.hidden_size])
    number, seed = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)
    signature = [weights, states, states, states, sources, sources, number, seed]
    return tf.function(draw, input_signature=signature, autograph=False)
