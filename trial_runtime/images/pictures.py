"""One picture, of a file or in memory, as the pixels that a network gets."""

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from trial_runtime.errors import DatasetError

Picture: TypeAlias = str | os.PathLike[str] | Image.Image

MAX_PIXELS = 50_000_000
"""Most pixels of an image: a file of some kilobytes may hold any number of them, and all are decoded at once."""

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of what is decoded, whatever a file's name says; of others, EPS is a program that Pillow runs."""

_GREY = frozenset({"1", "L", "LA"})
"""Pillow's modes without colour."""
_DEEP = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})
"""Pillow's modes of more than 8 bits, which it would clip."""
_ON_THEIR_SIDE = (5, 6, 7, 8)
"""Orientations by which a camera says that height and width change places."""


def pixels(picture: Picture, size: tuple[int, int] | None, *, num_channels: int | None = None) -> NDArray[np.uint8]:
    """Return a picture (H, W) if it is grey, otherwise (H, W, 3); uint8, turned upright where a camera says how.

    Args:
        picture: a file, or an image of Pillow.
        size: (H, W); it is scaled until it covers this, and what stands out is cut off evenly. None leaves it.
        num_channels: 1 or 3, to make a picture grey or coloured; None leaves it. Transparency is dropped.

    Raises:
        DatasetError: it is broken, too large, or has more than 8 bits a channel.
    """
    if isinstance(picture, Image.Image):
        return _pixels(picture, "picture", size, num_channels)
    file = Path(picture)
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            return _pixels(opened, str(file), size, num_channels)
    except DatasetError:
        raise
    except Exception as error:  # whatever decoding damaged data comes to
        raise DatasetError("image", str(file), f"it must be an intact picture ({error})") from error


def head(file: Path, size: tuple[int, int] | None) -> tuple[int, int, int]:
    """Return (C, H, W) of what `pixels` would make of a file, by its head alone.

    Raises:
        DatasetError: it is no picture.
    """
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            height, width = opened.height, opened.width
            if opened.getexif().get(ExifTags.Base.Orientation) in _ON_THEIR_SIDE:
                height, width = width, height
            return (1 if opened.mode in _GREY else 3, *(size or (height, width)))
    except Exception as error:  # whatever damaged data come to
        raise DatasetError("image", str(file), f"it must be an intact picture ({error})") from error


def _pixels(
    opened: Image.Image, name: str, size: tuple[int, int] | None, num_channels: int | None
) -> NDArray[np.uint8]:
    if opened.width * opened.height > MAX_PIXELS:
        found = f"{opened.width}x{opened.height}"
        raise DatasetError(f"{name}: width x height", found, f"an image may have {MAX_PIXELS} pixels")
    if opened.mode in _DEEP:
        raise DatasetError(f"{name}: mode", opened.mode, "an image must have 8 bits a channel")
    is_grey = opened.mode in _GREY if num_channels is None else num_channels == 1
    image = ImageOps.exif_transpose(opened).convert("L" if is_grey else "RGB")
    if size is not None:
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)
