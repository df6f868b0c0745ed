"""What is known of the images of data sets that are known by name, without loading them; standard library only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageShape:
    """Size of the images of a data set."""

    height: int
    width: int
    channels: int
    num_classes: int

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


KNOWN_SHAPES: Mapping[str, ImageShape] = MappingProxyType(
    {
        "cifar10": ImageShape(height=32, width=32, channels=3, num_classes=10),
        "cifar100": ImageShape(height=32, width=32, channels=3, num_classes=100),
        "svhn": ImageShape(height=32, width=32, channels=3, num_classes=10),
        "fashion-mnist": ImageShape(height=28, width=28, channels=1, num_classes=10),
        "digits": ImageShape(height=32, width=32, channels=1, num_classes=10),
        "fake": ImageShape(height=32, width=32, channels=3, num_classes=10),
    }
)
"""By the names of the data sets; those of ``fake:N`` are as those of ``fake``."""
