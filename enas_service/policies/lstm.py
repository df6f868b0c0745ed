"""What the policies have in common: an LSTM and weights of their own, and logits that never grow too large."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

_INITIAL_SCALE = 0.1
"""Half the width of the uniform distribution of initial weights, as in the published ENAS code."""

NEVER = -1e9
"""Logit of what is no option: its probability is 0, and 0 times its logarithm is, too."""

_MAX_DRAWN = 9
"""Seeds of a policy's initial weights: two of the LSTM, and one of each other weight. A larger one changes none."""


class Initial:
    """Draws the initial weights of a policy, which depend on the order in which they are asked for.

    Args:
        seed: of all of them.
    """

    def __init__(self, seed: int) -> None:
        self._seeds = iter(np.random.SeedSequence(seed).generate_state(_MAX_DRAWN).tolist())

    def weight(self, name: str, *shape: int) -> tf.keras.Variable:
        """A weight of a shape."""
        return tf.keras.Variable(self._initializer(), shape=shape, dtype="float32", name=name)

    def lstm(self, hidden_size: int, num_steps: int) -> tf.keras.layers.LSTM:
        """An LSTM that reads (B, num_steps, hidden_size) and returns the state after each step."""
        lstm = tf.keras.layers.LSTM(
            hidden_size,
            return_sequences=True,
            kernel_initializer=self._initializer(),
            recurrent_initializer=self._initializer(),
        )
        lstm.build((None, num_steps, hidden_size))
        return lstm

    def _initializer(self) -> tf.keras.initializers.Initializer:
        return tf.keras.initializers.RandomUniform(-_INITIAL_SCALE, _INITIAL_SCALE, seed=next(self._seeds))


@contextmanager
def holding(variables: Sequence[tf.keras.Variable], weights: Sequence[tf.Tensor]) -> Iterator[None]:
    """Within, in this thread, compute with weights in the place of the variables' own."""
    with tf.keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
        yield


def squashed(logits: tf.Tensor, temperature: float | None, tanh_const: float | None) -> tf.Tensor:
    """Divide logits by a temperature, and bound them: ``tanh_const * tanh(logits)``; None leaves either out."""
    if temperature is not None:
        logits /= temperature
    if tanh_const is not None:
        logits = tanh_const * tf.tanh(logits)
    return logits
