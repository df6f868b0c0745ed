"""The credit where it belongs: each trial's advantage goes to that trial's own architecture.

Williams 1992; Zoph & Le, 1611.01578, section 3.2. The log-probability is that of the architecture that was trained, not
of a freshly drawn one. A call takes many steps, on trials of this round and on the best of earlier ones, which do not
come from the policy that is trained: PPO's clipped ratio (Schulman et al., 1707.06347, equation 7) ends a trial's pull
where its probability has changed enough. Without it the worst trials, whose log-probability has no lower end, drown the
rest.
"""

import logging
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from enas_service.controller import Controller, batch
from enas_service.scores import Floats
from enas_service.search_space import Decisions
from enas_service.settings import EnasSettings

logger = logging.getLogger(__name__)

_CLIP = 0.2
"""How far the ratio of new to old probability counts; the value of 1707.06347."""

_MAX_LOG_RATIO = 20.0
"""Keeps the ratio a number of float32; far outside the clip."""

_MAX_GRADIENT_NORM = 5.0
"""An outlier among the rewards must not throw the policy away."""

_NUM_BEST, _NUM_LATEST = 8, 8
"""Trials that a step learns from: what was learned from the best must not be forgotten, and the newest are new."""

_MAX_UPDATES = 10
"""Most times that a call takes its steps, after a restart with many trials at once."""


class PolicyGradient:
    """Trains a controller on finished trials.

    Args:
        controller: what is trained.
        settings: learning rate, baseline, entropy and skip terms, number of steps.
    """

    def __init__(self, controller: Controller, settings: EnasSettings) -> None:
        self._controller = controller
        self._settings = settings
        self._optimizer = tf.keras.optimizers.Adam(
            settings.controller_learning_rate, global_clipnorm=_MAX_GRADIENT_NORM
        )
        self._optimizer.build(controller.weights)
        self._train = tf.function(
            self._train_eagerly,
            input_signature=[
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None, None, None], tf.bool),
                tf.TensorSpec([None], tf.float32),
            ],
        )

    @property
    def variables(self) -> list[tf.keras.Variable]:
        """The optimiser's state."""
        return list(self._optimizer.variables)

    def update(self, decisions: Sequence[Decisions], advantages: Floats, num_new: int) -> None:
        """Take `controller_train_steps` gradient steps on the best and the latest trials.

        Args:
            decisions: (N) architectures of all finished trials, in the order in which they finished.
            advantages: (N) theirs.
            num_new: how many of them, at the end, are new; after many at once the steps are taken more often.
        """
        index = _replayed(advantages)
        choices_bl, joins_blk = batch([decisions[one] for one in index])
        advantage_b = tf.constant(advantages[index], tf.float32)
        for _ in range(min(_MAX_UPDATES, math.ceil(num_new / _NUM_LATEST))):
            history = self._train(choices_bl, joins_blk, advantage_b).numpy()
        for step in range(0, len(history), self._settings.controller_log_every_steps):
            loss, entropy, skip_rate, norm = history[step]
            logger.info(
                "step %d: loss %.4g, entropy %.4g nats, skip rate %.3f, gradient norm %.3g",
                step, loss, entropy, skip_rate, norm,
            )  # fmt: skip

    def _train_eagerly(self, choices_bl: tf.Tensor, joins_blk: tf.Tensor, advantage_b: tf.Tensor) -> tf.Tensor:
        """Run all steps; return loss, entropy, skip rate and gradient norm of each, (steps, 4)."""
        old_log_probability_b = self._controller.likelihood(choices_bl, joins_blk).log_probability_b
        history = tf.TensorArray(tf.float32, self._settings.controller_train_steps)
        for step in tf.range(self._settings.controller_train_steps):
            history = history.write(step, self._step(choices_bl, joins_blk, advantage_b, old_log_probability_b))
        return history.stack()

    def _step(
        self, choices_bl: tf.Tensor, joins_blk: tf.Tensor, advantage_b: tf.Tensor, old_log_probability_b: tf.Tensor
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            likelihood = self._controller.likelihood(choices_bl, joins_blk)
            objective_b = _clipped(likelihood.log_probability_b - old_log_probability_b, advantage_b)
            if self._settings.controller_entropy_weight is not None:
                objective_b += self._settings.controller_entropy_weight * likelihood.entropy_b
            if self._settings.controller_skip_weight is not None:
                objective_b -= self._settings.controller_skip_weight * likelihood.skip_divergence_b
            loss = -tf.reduce_mean(objective_b)
        weights = self._controller.weights
        gradients = tape.gradient(loss, weights)
        self._optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return tf.stack(
            [
                loss,
                tf.reduce_mean(likelihood.entropy_b),
                tf.reduce_mean(likelihood.skip_rate_b),
                tf.linalg.global_norm(gradients),
            ]
        )


def _clipped(log_ratio_b: tf.Tensor, advantage_b: tf.Tensor) -> tf.Tensor:
    """PPO's objective; at a ratio of 1 its gradient is that of REINFORCE."""
    ratio_b = tf.exp(tf.clip_by_value(log_ratio_b, -_MAX_LOG_RATIO, _MAX_LOG_RATIO))
    return tf.minimum(ratio_b * advantage_b, tf.clip_by_value(ratio_b, 1 - _CLIP, 1 + _CLIP) * advantage_b)


def _replayed(advantages: Floats) -> NDArray[np.int64]:
    """Indices of the trials to learn from: the best and the latest."""
    best = np.argsort(-advantages, kind="stable")[:_NUM_BEST]
    latest = np.arange(len(advantages))[-_NUM_LATEST:]
    return np.unique(np.concatenate([best, latest]))
