"""Traced functions that all searches of one form share.

TensorFlow gives back little of the memory that a trace takes, some 20 MB here, when its function is gone; so a service
that traced for each search would grow with every experiment that it has ever seen. A search holds what it uses, so that
however many forms there are, none is traced twice for one search.
"""

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

MAX_FORMS = 8
"""Forms whose functions are kept, beside those that searches hold: the least recently asked for go first."""

P = ParamSpec("P")
T = TypeVar("T")


def shared(make: Callable[P, T]) -> Callable[P, T]:
    """Make a maker of functions return the same one for the same arguments, which are hashable; from any thread."""
    kept, making = functools.lru_cache(MAX_FORMS)(make), threading.Lock()

    @functools.wraps(make)
    def get(*args: P.args, **kwargs: P.kwargs) -> T:
        with making:
            return kept(*args, **kwargs)  # type: ignore[arg-type]

    return get
