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
from dataclasses import dataclass

import tensorflow as tf

from enas_service.decisions import Decisions
from enas_service.policies.policy import Policy, PolicyForm
from enas_service.policies.traces import shared
from enas_service.scores import Floats, best_and_latest
from enas_service.settings import EnasSettings

logger = logging.getLogger(__name__)

_CLIP = 0.2
"""How far the ratio of new to old probability counts; the value of 1707.06347."""

_MAX_LOG_RATIO = 20.0
"""Keeps the ratio a number of float32; far outside the clip."""

_MAX_GRADIENT_NORM = 5.0
"""An outlier among the rewards must not throw the policy away."""

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7
"""Of Adam, as Keras has them."""

_NUM_REPLAYED = 8
"""How many of the best trials, and of the latest, a step learns from: what the best taught must not be forgotten, and
the newest are new."""

NUM_LEARNED = 2 * _NUM_REPLAYED
"""Most trials of a step."""

MAX_UPDATES = 10
"""Most times that a call takes its steps, after a restart with many trials at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a gradient step saw; `entropy` and `skip_rate` are means over the trials that it learned from."""

    loss: float
    entropy: float
    """In nats."""
    skip_rate: float
    gradient_norm: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4g}, entropy {self.entropy:.4g} nats, skip rate {self.skip_rate:.3f}, "
            f"gradient norm {self.gradient_norm:.3g}"
        )


class PolicyGradient:
    """Trains a policy on finished trials.

    Args:
        policy: what is trained.
        settings: learning rate, baseline, entropy and skip terms, number of steps.
        max_updates: most times that a call takes its steps.

    Attributes:
        variables: Adam's: the number of steps so far, the first moments of all weights, and their second ones.
    """

    def __init__(self, policy: Policy, settings: EnasSettings, max_updates: int = MAX_UPDATES) -> None:
        self._policy = policy
        self._settings = settings
        self._max_updates = max_updates
        self._step = stepping(policy.form, settings.controller_entropy_weight, settings.controller_skip_weight)
        zeros = [tf.zeros(weight.shape) for weight in policy.weights]
        self.variables = [tf.keras.Variable(start) for start in (tf.zeros([], tf.int64), *zeros, *zeros)]

    def update(self, decisions_nd: Decisions, advantages_n: Floats, num_new: int) -> Step:
        """Take `controller_train_steps` gradient steps on the best and the latest trials.

        Args:
            decisions_nd: (N, D) of all finished trials, in the order in which they finished.
            advantages_n: (N) theirs.
            num_new: how many of them, at the end, are new; after many at once the steps are taken more often.

        Returns:
            The last step.
        """
        index = best_and_latest(advantages_n, _NUM_REPLAYED)
        decisions_bd = tf.constant(decisions_nd[index], tf.int32)
        advantage_b = tf.constant(advantages_n[index], tf.float32)
        for _ in range(min(MAX_UPDATES, self._max_updates, math.ceil(num_new / _NUM_REPLAYED))):
            steps = self._steps(decisions_bd, advantage_b)
        for number in range(0, len(steps), self._settings.controller_log_every_steps):
            logger.info("step %d: %s", number, steps[number])
        return steps[-1]

    def _steps(self, decisions_bd: tf.Tensor, advantage_b: tf.Tensor) -> list[Step]:
        """Take the steps of one update; the policy before the first is the one that ratios are measured from."""
        figures, old_log_probability_b = [], tf.zeros_like(advantage_b)
        variables = [*self._policy.weights, *self.variables]
        learning_rate, values = tf.constant(self._settings.controller_learning_rate), [one.value for one in variables]
        for number in range(self._settings.controller_train_steps):
            figures_4, old_log_probability_b, values = self._step(
                values, learning_rate, decisions_bd, advantage_b, old_log_probability_b, tf.constant(number == 0)
            )  # fmt: skip
            figures.append(figures_4)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return [Step(*map(float, figures_4)) for figures_4 in tf.stack(figures).numpy()]


@shared
def stepping(
    form: PolicyForm, entropy_weight: float | None, skip_weight: float | None
) -> tf.types.experimental.PolymorphicFunction:
    """Return a function that takes a step with a policy of a form.

    Its arguments: the values of the policy's weights and of `PolicyGradient.variables`, the learning rate, decisions
    (B, D), advantages (B), the log-probabilities (B) before the first step, and whether this is that.

    It returns the fields of `Step` (4), the log-probabilities (B) before the first step, and the values afterwards.
    """
    policy = form.policy(seed=0)
    num_weights = len(policy.weights)

    def step(
        values: Sequence[tf.Tensor],
        learning_rate: tf.Tensor,
        decisions_bd: tf.Tensor,
        advantage_b: tf.Tensor,
        old_log_probability_b: tf.Tensor,
        is_first: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        weights, (num_steps, *moments) = values[:num_weights], values[num_weights:]
        with tf.GradientTape() as tape, policy.holding(weights):
            tape.watch(weights)
            likelihood = policy.likelihood(decisions_bd)
            old_log_probability_b = tf.where(
                is_first, tf.stop_gradient(likelihood.log_probability_b), old_log_probability_b
            )
            objective_b = _clipped(likelihood.log_probability_b - old_log_probability_b, advantage_b)
            if entropy_weight is not None:
                objective_b += entropy_weight * likelihood.entropy_b
            if skip_weight is not None:
                objective_b -= skip_weight * likelihood.skip_divergence_b
            loss = -tf.reduce_mean(objective_b)
        gradients = [tf.convert_to_tensor(one) for one in tape.gradient(loss, weights)]
        norm = tf.linalg.global_norm(gradients)
        clipped, _ = tf.clip_by_global_norm(gradients, _MAX_GRADIENT_NORM, norm)
        weights, moments = _adam(weights, clipped, moments, num_steps + 1, learning_rate)
        figures_4 = tf.stack([loss, tf.reduce_mean(likelihood.entropy_b), tf.reduce_mean(likelihood.skip_rate_b), norm])
        return figures_4, old_log_probability_b, [*weights, num_steps + 1, *moments]

    return tf.function(step, input_signature=_signature(policy.weights), autograph=False)


def _signature(weights: Sequence[tf.Variable]) -> list[object]:
    """The types of a step's arguments; the number of trials is left open, so that it is traced once."""
    same = [tf.TensorSpec(weight.shape) for weight in weights]
    number, vector = tf.TensorSpec([]), tf.TensorSpec([None])
    return [
        [*same, tf.TensorSpec([], tf.int64), *same, *same],
        number,
        tf.TensorSpec([None, None], tf.int32),
        vector,
        vector,
        tf.TensorSpec([], tf.bool),
    ]


def _adam(
    weights: Sequence[tf.Tensor],
    gradients: Sequence[tf.Tensor],
    moments: Sequence[tf.Tensor],
    num_steps: tf.Tensor,
    learning_rate: tf.Tensor,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Take a step of Adam (Kingma & Ba, 1412.6980, algorithm 1, in the order of section 2's end), this one counted.

    Keras's own changes variables in place, those of one search: it would have to be traced for each.

    Returns:
        The weights, and the first and then the second moments.
    """
    count = tf.cast(num_steps, tf.float32)
    rate = learning_rate * tf.sqrt(1 - tf.pow(_BETA_2, count)) / (1 - tf.pow(_BETA_1, count))
    first, second = moments[: len(weights)], moments[len(weights) :]
    first = [m + (g - m) * (1 - _BETA_1) for m, g in zip(first, gradients, strict=True)]
    second = [v + (tf.square(g) - v) * (1 - _BETA_2) for v, g in zip(second, gradients, strict=True)]
    moved = [w - m * rate / (tf.sqrt(v) + _EPSILON) for w, m, v in zip(weights, first, second, strict=True)]
    return moved, [*first, *second]


def _clipped(log_ratio_b: tf.Tensor, advantage_b: tf.Tensor) -> tf.Tensor:
    """PPO's objective; at a ratio of 1 its gradient is that of REINFORCE."""
    ratio_b = tf.exp(tf.clip_by_value(log_ratio_b, -_MAX_LOG_RATIO, _MAX_LOG_RATIO))
    return tf.minimum(ratio_b * advantage_b, tf.clip_by_value(ratio_b, 1 - _CLIP, 1 + _CLIP) * advantage_b)
