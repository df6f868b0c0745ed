"""A trained network of pictures that takes pixels as they are.

Shape suffixes: b images, c channels, h height, w width, k classes.
"""

import os
from collections.abc import Sequence

import numpy
import torch
from PIL import Image
from torch import Tensor, nn

from trial_runtime.images.batches import Normalisation
from trial_runtime.images.pictures import Picture, pixels


class WrongImages(ValueError):
    """Images are not of the type and shape that a network was trained on."""


class Predictor(nn.Module):
    """A network that takes pixels as they are.

    Args:
        network: trained; normalised images, (B, C, H, W), to logits, (B, K).
        normalisation: of its training images.
        image_shape: (C, H, W) of its training images.
        class_names: what each class is called; none where they have numbers alone.
    """

    mean_c: Tensor
    std_c: Tensor

    def __init__(
        self,
        network: nn.Module,
        normalisation: Normalisation,
        image_shape: tuple[int, int, int],
        class_names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.image_shape = image_shape
        self.class_names = tuple(class_names)
        self.register_buffer("mean_c", normalisation.mean_c)
        self.register_buffer("std_c", normalisation.std_c)

    def forward(self, images_bchw: Tensor) -> Tensor:
        """Compute the logits, (B, K), of images: uint8, 0 to 255."""
        normalisation = Normalisation(mean_c=self.mean_c, std_c=self.std_c)
        return self.network(normalisation.apply(images_bchw))  # type: ignore[no-any-return]

    @torch.no_grad()
    def probabilities(self, images_bchw: Tensor | Picture | Sequence[Picture]) -> Tensor:
        """Return the probability of each class, (B, K).

        Args:
            images_bchw: uint8, 0 to 255, of its shape and on its device; or pictures, one or more, as files or as
                images of Pillow, which are brought to its shape as ``--image-size`` does it.

        Raises:
            WrongImages: the tensor is of another type or shape.
            DatasetError: a file is no intact picture.
        """
        if not isinstance(images_bchw, Tensor):
            one_or_more = images_bchw
            is_one = isinstance(one_or_more, str | os.PathLike | Image.Image)
            images_bchw = self._read([one_or_more] if is_one else one_or_more)  # type: ignore[list-item,arg-type]
        if images_bchw.dtype != torch.uint8 or tuple(images_bchw.shape[1:]) != self.image_shape:
            found = f"{images_bchw.dtype} {tuple(images_bchw.shape)}"
            raise WrongImages(f"images: {found} is not allowed: they must be uint8 of shape (B, *{self.image_shape})")
        return self(images_bchw).softmax(dim=1)  # type: ignore[no-any-return]

    def _read(self, pictures: Sequence[Picture]) -> Tensor:
        channels, *size = self.image_shape
        read = [pixels(picture, (size[0], size[1]), num_channels=channels) for picture in pictures]
        images_bchw = torch.from_numpy(numpy.stack(read)).reshape(len(read), *size, channels).permute(0, 3, 1, 2)
        return images_bchw.to(self.mean_c.device)
