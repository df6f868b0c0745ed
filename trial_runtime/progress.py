"""A progress bar for somebody who watches."""

import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def bar(iterable: Iterable[T], *, total: int, description: str) -> Iterable[T]:
    """Iterate with a bar on standard error where that is a terminal; elsewhere return the iterable itself.

    A log file, and a metrics collector that reads standard error too, never see a bar.
    """
    if not sys.stderr.isatty():
        return iterable
    from tqdm import tqdm  # a trial in a container never needs it

    return tqdm(iterable, total=total, desc=description, file=sys.stderr, leave=False, dynamic_ncols=True)
