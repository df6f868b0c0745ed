"""What shows that a search has learned nothing, and what to change: said at its end, where nobody reads the curves."""

import math
from collections.abc import Mapping, Sequence

FLAT = 1e-3
"""Entropy of an edge's mixture, below that of equal weights by less than this share of it: nothing was chosen."""

FEWEST_STEPS = 30
"""Steps of the weights before the running statistics of the norms, of which a step replaces a tenth, say anything."""


def remarks(
    entropies: Mapping[str, float], num_operations: int, scores: Sequence[float], num_steps: int
) -> tuple[str, ...]:
    """Return a sentence for each sign, none for a search that has learned something.

    Args:
        entropies: at the end, by the kind of cell: mean over the edges, in nats.
        num_operations: of an edge.
        scores: how good the supernet was after each epoch on what its weights do not learn from.
        num_steps: of the weights, altogether.
    """
    found = [*flat(entropies, num_operations)]
    if len(scores) > 1 and max(scores) == min(scores):
        found.append(
            f"the validation accuracy is the same after all {len(scores)} epochs, {scores[0]:.4g}: the supernet tells "
            "no images apart; more steps, or another w_lr, help"
        )
    if num_steps < FEWEST_STEPS:
        found.append(
            f"the weights took {num_steps} steps, and the running statistics of batch norms need some {FEWEST_STEPS}: "
            "more epochs (num_epochs), more images or a smaller batch_size help"
        )
    return tuple(found)


def flat(entropies: Mapping[str, float], num_operations: int) -> tuple[str, ...]:
    """Return a sentence for each kind of cell whose alphas have chosen nothing; for the arguments see `remarks`."""
    equal = math.log(num_operations) if num_operations > 1 else 0.0
    return tuple(
        f"the alphas of the {cell} cell are as flat as at the start (entropy {entropy:.5f} of {equal:.5f}): "
        "what is derived from them is chance; more epochs (num_epochs), more data or a larger alpha_lr help"
        for cell, entropy in entropies.items()
        if equal and equal - entropy < FLAT * equal
    )
