"""Tell the shape of a trial's images: ``python -m trial_runtime.image_shape``, with the flags of its data.

Prints an object of JSON: height, width, channels, num_classes. Of picture files the heads alone are read.
"""

import json
import sys
from collections.abc import Sequence

from trial_runtime import command_line, program, seeds
from trial_runtime.images import datasets, folder
from trial_runtime.images.data_options import DataOptions
from trial_runtime.images.known_shapes import ImageShape


def of(options: DataOptions) -> ImageShape:
    """Return the shape of the images that a trial with such options would have.

    Raises:
        DatasetError: there are none, they are broken, or the options do not fit them.
    """
    kind, _, path = options.dataset.partition(":")
    if kind == "imagefolder" and path:
        pictures = folder.find(path, options.data_dir or datasets.default_data_dir())
        channels, height, width = folder.shape(pictures.files, options.image_size)
        return ImageShape(height=height, width=width, channels=channels, num_classes=len(pictures.classes))
    images = options.load(seeds.generator(seeds.COMMON_SEED, "subset"))
    channels, height, width = images.image_shape
    return ImageShape(height=height, width=width, channels=channels, num_classes=images.num_classes)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""

    def run() -> None:
        parser = command_line.Parser(prog="trial_runtime.image_shape", description="Tell the shape of images.")
        command_line.add_data_arguments(parser, train_portion=1)
        found = of(command_line.data_options(parser.parse_args(argv)))
        sys.stdout.write(json.dumps(found.document()) + "\n")

    return program.run(run)


if __name__ == "__main__":
    sys.exit(main())
