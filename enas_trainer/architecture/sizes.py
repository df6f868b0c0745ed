"""The sizes of images and outputs in ``nn_config``, whatever the network is."""

from collections.abc import Sequence

from enas_trainer.architecture import fields
from enas_trainer.architecture.fields import InvalidNetwork
from katib_suggestion.parsing.assignment import JSON


def listed(value: JSON, where: str) -> tuple[int, ...]:
    """Read a list of sizes, one at least.

    Raises:
        InvalidNetwork: it is none, or one of them is no whole number from 1.
    """
    return tuple(fields.integer(size, f"{where}[{index}]") for index, size in enumerate(fields.sequence(value, where)))


def of_image(value: JSON) -> tuple[int, int, int]:
    """Read ``input_sizes`` of images: height, width and channels.

    Raises:
        InvalidNetwork: it is something else.
    """
    found = listed(value, "nn_config.input_sizes")
    if len(found) != 3:
        raise InvalidNetwork("nn_config.input_sizes", list(found), "it must be height, width and channels")
    return found[0], found[1], found[2]


def check_images(
    input_sizes: tuple[int, int, int], output_sizes: Sequence[int], image_shape: tuple[int, int, int], num_classes: int
) -> None:
    """Compare sizes with those of a data set.

    Args:
        input_sizes: height, width and channels.
        output_sizes: the last one is the number of outputs.
        image_shape: (C, H, W).
        num_classes: labels are below it.

    Raises:
        InvalidNetwork: the images have other sizes, or more classes than the network has outputs.
    """
    channels, height, width = image_shape
    if input_sizes != (height, width, channels):
        allowed = f"the images of the data set have the sizes {[height, width, channels]} (H, W, C)"
        raise InvalidNetwork("nn_config.input_sizes", list(input_sizes), allowed)
    if output_sizes[-1] < num_classes:
        allowed = f"the last size must be at least the number of classes of the data set, {num_classes}"
        raise InvalidNetwork("nn_config.output_sizes", list(output_sizes), allowed)
