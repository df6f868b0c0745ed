"""How fast a network learns, epoch by epoch."""

import math
from collections.abc import Iterator


def cosine(epoch: int, num_epochs: int, first: float, last: float) -> float:
    """Return the learning rate of an epoch, counted from 1: half a cosine, from the first to the one after the last."""
    return last + (first - last) * (1 + math.cos(math.pi * (epoch - 1) / num_epochs)) / 2


def restarted_cosine(epoch: int, period: int, factor: int, first: float, last: float) -> float:
    """Return the learning rate of an epoch, counted from 1: half a cosine that begins anew again and again.

    That is SGDR (Loshchilov and Hutter, 1608.03983), with a rate for each epoch.

    Args:
        epoch: counted from 1.
        period: epochs of the first cosine, at least 1.
        factor: how many times longer each is than the one before, at least 1.
        first: the rate at the start of each.
        last: the rate that the epoch after the last of each would have.
    """
    begin = 0
    for end in _ends(period, factor):
        if epoch <= end:
            return cosine(epoch - begin, end - begin, first, last)
        begin = end
    raise AssertionError("there is always a later end")


def ends_a_cosine(num_epochs: int, period: int, factor: int) -> bool:
    """Whether a training of so many epochs ends with a cosine, at the smallest rate, and not somewhere within one."""
    return next(end for end in _ends(period, factor) if end >= num_epochs) == num_epochs


def _ends(period: int, factor: int) -> Iterator[int]:
    """The last epoch of each cosine, counted from 1."""
    end = 0
    while True:
        end += period
        yield end
        period *= factor
