"""The operations that a DARTS search can choose from: what the service offers, the trainer has.

Standard library only: the trainer imports this module, and a test of the trainer builds each of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

SKIP_CONNECTION = "skip_connection"
"""The one type without a filter size."""

NONE = "none"
"""The zero operation: the trainer adds it to every search, no search space names it."""

FILTER_SIZES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "separable_convolution": (3, 5, 7),
        "dilated_convolution": (3, 5),
        "avg_pooling": (3,),
        "max_pooling": (3,),
    }
)
"""The types that have a filter size, and the sizes that the trainer has."""

PRIMITIVES: tuple[str, ...] = (
    *(f"{kind}_{size}x{size}" for kind, sizes in FILTER_SIZES.items() for size in sizes),
    SKIP_CONNECTION,
)
"""Every entry that a search space may hold."""
