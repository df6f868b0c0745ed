"""The controller with Katib's defaults and credit, for macro spaces."""

import numpy as np
import tensorflow as tf

from benchmarks.enas.families import Choices, Family
from benchmarks.enas.methods import Finished
from enas_service.policies.joins import Form


class KatibsController:
    """Each step draws afresh, and is rewarded with the mean of all trials."""

    def __init__(self, family: Family, seed: int) -> None:
        self._controller = Form(
            num_layers=family.num_layers,
            num_operations=family.counts[0],
            hidden_size=64,
            temperature=5.0,
            tanh_const=2.25,
            skip_target=0.4,
        ).policy(seed)
        self._random = np.random.default_rng(seed)
        self._optimizer = tf.keras.optimizers.Adam(5e-5)
        self._optimizer.build(self._controller.weights)
        self._step = tf.function(self._step_eagerly)
        self._baseline = 0.0

    def propose(self, finished: Finished, count: int) -> list[Choices]:
        values = [value / 100 for _, value in finished if value is not None]
        if values:
            # All steps' architectures at once: at this learning rate the policy hardly moves in between.
            for drawn_d in self._controller.sample(50, self._seed()):
                self._train(drawn_d, float(np.mean(values)))
        return list(self._controller.sample(count, self._seed()))

    def _train(self, drawn_d: Choices, reward: float) -> None:
        self._baseline += (1 - 0.999) * (reward - self._baseline)
        self._step(tf.constant(drawn_d[np.newaxis]), tf.constant(reward - self._baseline, tf.float32))

    def _step_eagerly(self, decisions_bd: tf.Tensor, advantage: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            likelihood = self._controller.likelihood(decisions_bd)
            credited = (advantage + 1e-5 * likelihood.entropy_b) * likelihood.log_probability_b
            loss = tf.reduce_mean(0.8 * likelihood.skip_divergence_b - credited)
        weights = self._controller.weights
        self._optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    def _seed(self) -> tuple[int, int]:
        first, second = self._random.integers(2**31, size=2).tolist()
        return first, second
