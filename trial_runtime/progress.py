"""How far a trial has come, for somebody who watches or reads its log."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")


def bar(
    iterable: Iterable[T], *, total: int, description: str, images_per_step: int = 1, first_step: int = 0
) -> Iterable[T]:
    """Iterate with a bar on standard error where that is a terminal; elsewhere return the iterable itself.

    The bar shows images, images a second, and the time left.

    A log file, and a metrics collector that reads standard error too, never see a bar.

    Args:
        iterable: of steps.
        total: steps of the whole, those before the iterable's first included.
        description: stands before the bar.
        images_per_step: of all processes together.
        first_step: steps that were taken before the iterable's first.
    """
    if not sys.stderr.isatty():
        return iterable
    from tqdm import tqdm  # a trial in a container never needs it

    return tqdm(
        iterable, total=total, initial=first_step, desc=description, unit=" images", unit_scale=images_per_step,
        file=sys.stderr, leave=False, dynamic_ncols=True,
    )  # fmt: skip


def epoch_over(epoch: int, num_epochs: int, seconds: float, images_per_second: float) -> str:
    """Say that an epoch is over, what it took, and about how long the others will take.

    Args:
        epoch: counted from 1.
        num_epochs: how many there are.
        seconds: for training and validation.
        images_per_second: while training.
    """
    left = timedelta(seconds=round((num_epochs - epoch) * seconds))
    return (
        f"epoch {epoch} of {num_epochs}: {seconds:.1f} s, {images_per_second:.0f} images a second in training, "
        f"about {left} left"
    )
