"""Operations of a cell by every name that they have elsewhere."""

from collections.abc import Mapping
from types import MappingProxyType

from darts_genotype.genotype import GenotypeError
from darts_genotype.primitives import PRIMITIVES

QUARK0: Mapping[str, str] = MappingProxyType(
    {
        "sep_conv_3x3": "separable_convolution_3x3",
        "sep_conv_5x5": "separable_convolution_5x5",
        "sep_conv_7x7": "separable_convolution_7x7",
        "dil_conv_3x3": "dilated_convolution_3x3",
        "dil_conv_5x5": "dilated_convolution_5x5",
        "avg_pool_3x3": "avg_pooling_3x3",
        "max_pool_3x3": "max_pooling_3x3",
        "skip_connect": "skip_connection",
    }
)
"""Names of quark0/darts and most of what came after it, and ours. ``conv_7x1_1x7`` has no counterpart."""

NNI: tuple[str, ...] = (
    "maxpool", "avgpool", "skipconnect", "sepconv3x3", "sepconv5x5", "dilconv3x3", "dilconv5x5",
)  # fmt: skip
"""Names of NNI's DARTS trainer, in the order by which it numbers them; ``none`` comes after these."""

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in PRIMITIVES},
        **QUARK0,
        "maxpool": "max_pooling_3x3",
        "avgpool": "avg_pooling_3x3",
        "skipconnect": "skip_connection",
        "sepconv3x3": "separable_convolution_3x3",
        "sepconv5x5": "separable_convolution_5x5",
        "dilconv3x3": "dilated_convolution_3x3",
        "dilconv5x5": "dilated_convolution_5x5",
    }
)


def ours(place: str, name: str) -> str:
    """Return our name of an operation.

    Raises:
        GenotypeError: we have no such operation.
    """
    if name not in _NAMES:
        allowed = f"the operations are {', '.join(PRIMITIVES)}; or, as others call them, {', '.join(QUARK0)}"
        raise GenotypeError(place, name, allowed)
    return _NAMES[name]
