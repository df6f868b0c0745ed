"""A smooth function's minimum by L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd edition, algorithm 7.5)."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MEMORY = 10
"""Pairs of steps and changes of the gradient that the curvature is estimated from."""

_SUFFICIENT = 1e-4
"""The share of the decrease that the slope promises which a step must reach (Armijo's condition)."""

_MAX_HALVINGS = 12

_MAX_STEP = 2.0
"""Longest first step, in the parameters' own units: logarithms."""


def minimize(
    loss: Callable[[Floats], tuple[float, Floats]], start: Floats, num_steps: int, tolerance: float = 1e-3
) -> tuple[Floats, float]:
    """Go downhill.

    Args:
        loss: gives the value, infinite where there is none, and the gradient (P).
        start: (P) where the loss is finite.
        num_steps: most steps.
        tolerance: ends it once a step brings less.

    Returns:
        The lowest point found, and the loss there.
    """
    point, (value, gradient) = start, loss(start)
    pairs: deque[tuple[Floats, Floats]] = deque(maxlen=_MEMORY)
    for _ in range(num_steps):
        direction = -_times_inverse_hessian(gradient, pairs)
        length = min(1.0, _MAX_STEP / max(float(np.abs(direction).max()), 1e-12))
        slope = float(gradient @ direction)
        for _ in range(_MAX_HALVINGS):
            new_value, new_gradient = loss(point + length * direction)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            return point, value
        step, change = length * direction, new_gradient - gradient
        # Curvature must be positive, or the next direction need not lead downhill.
        if step @ change > 1e-10:
            pairs.append((step, change))
        gained, point, value, gradient = value - new_value, point + step, new_value, new_gradient
        if gained < tolerance:
            break
    return point, value


def _times_inverse_hessian(gradient: Floats, pairs: deque[tuple[Floats, Floats]]) -> Floats:
    """Algorithm 7.4, the two-loop recursion."""
    if not pairs:
        return gradient / max(1.0, float(np.linalg.norm(gradient)))
    result, shares = gradient.copy(), []
    for step, change in reversed(pairs):
        share = (step @ result) / (step @ change)
        result -= share * change
        shares.append(share)
    step, change = pairs[-1]
    result *= (step @ change) / (change @ change)
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        result += step * (share - (change @ result) / (step @ change))
    return result
