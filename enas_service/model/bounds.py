"""How much of a search the models look at, and how long a fit takes: the cost of a round has a bound."""

import math

from enas_service.model.region import Region

MAX_TRIALS = 400
"""Most trials that are looked at, the best and the latest: the cost of a round has a bound."""

_MAX_PRODUCTS = 128e6
"""Most products in the covariance of the trials; where there are many columns, fewer trials must do."""

NUM_STEPS = 30
"""Steps of a fit. Each starts from the prior: what is learned depends on the trials alone, not on the calls before."""

_MAX_QUICK = 40e6
"""Most products in a step of a fit that is quick: some 30 milliseconds in all."""


def num_looked_at(num_columns: int, num_trials: int) -> int:
    """How many of so many finished trials are looked at in a space."""
    return min(num_trials, MAX_TRIALS, math.isqrt(int(_MAX_PRODUCTS / max(1, num_columns))))


def is_quick(region: Region, num_trials: int) -> bool:
    """Whether so many finished trials can be learned from within a call."""
    num_columns = region.features.num_columns
    looked_at = num_looked_at(num_columns, num_trials)
    return looked_at**2 * (4 * num_columns + 6 * looked_at) <= _MAX_QUICK
