"""How far a trial has come, for somebody who watches or reads its log."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")


def bar(
    iterable: Iterable[T],
    *,
    total: int,
    description: str,
    per_step: int = 1,
    unit: str = "images",
    first_step: int = 0,
    is_watched: bool = True,
) -> Iterable[T]:
    """Iterate with a bar on standard error where that is a terminal; elsewhere return the iterable itself.

    The bar shows images, or what else a step takes, how many a second, and the time left.

    A log file, and a metrics collector that reads standard error too, never see a bar.

    Args:
        iterable: of steps.
        total: steps of the whole, those before the iterable's first included.
        description: stands before the bar.
        per_step: images of a step, of all processes together.
        unit: what they are, if no images.
        first_step: steps that were taken before the iterable's first.
        is_watched: whether this process shows a bar; of several, one does.
    """
    if not is_watched or not sys.stderr.isatty():
        return iterable
    from tqdm import tqdm  # a trial in a container never needs it

    return tqdm(
        iterable, total=total, initial=first_step, desc=description, unit=f" {unit}", unit_scale=per_step,
        file=sys.stderr, leave=False, dynamic_ncols=True,
    )  # fmt: skip


def epoch_over(epoch: int, num_epochs: int, seconds: float, per_second: float, unit: str = "images") -> str:
    """Say that an epoch is over, what it took, and about how long the others will take.

    Args:
        epoch: counted from 1.
        num_epochs: how many there are.
        seconds: for training and validation.
        per_second: images a second while training.
        unit: what they are, if no images.
    """
    left = timedelta(seconds=round((num_epochs - epoch) * seconds))
    return (
        f"epoch {epoch} of {num_epochs}: {seconds:.1f} s, {per_second:.0f} {unit} a second in training, "
        f"about {left} left"
    )
