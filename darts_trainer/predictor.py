"""A trained network with all that it needs to classify images: as a module, and as the two files of a folder.

``weights.safetensors`` holds the network's weights and statistics, ``network.json`` what it is built from: the
genotype, its size, the shape of the images, their normalisation and the names of their classes. Reading them runs no
code.

Shape suffixes: b images, c channels, h height, w width, k classes.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy
import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import json_form, katib_form
from darts_genotype.genotype import Genotype
from katib_suggestion import durable_files
from trial_runtime import artifacts
from trial_runtime.images.batches import Normalisation
from trial_runtime.images.pictures import Picture, pixels

NETWORK_FILE = "network.json"
WEIGHTS_FILE = "weights.safetensors"

FORMAT = 1
"""Of what `NETWORK_FILE` says beside the genotype; it changes when a reader of today would misread it."""

_TRAINING_ONLY = "auxiliary_head."


class SavedNetworkError(ValueError):
    """The files of a network are missing or damaged, or do not belong together."""


class WrongImages(ValueError):
    """Images are not of the type and shape that a network was trained on."""


class Predictor(nn.Module):
    """A network that takes pixels as they are.

    Args:
        network: trained.
        normalisation: of its training images.
        image_shape: (C, H, W) of its training images.
        class_names: what each class is called; none where they have numbers alone.
    """

    mean_c: Tensor
    std_c: Tensor

    def __init__(
        self,
        network: Network,
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


def save(folder: Path, predictor: Predictor, found: Genotype, layout: Layout, record: Mapping[str, object]) -> None:
    """Write both files; those that were there are replaced.

    Args:
        folder: where.
        predictor: to be saved; what its network has for training alone is left out.
        found: the genotype that its network is built from.
        layout: the size that it is built with.
        record: more about it for a reader, as JSON.

    Raises:
        OSError: the machine refuses.
    """
    state = predictor.network.state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in state.items() if not name.startswith(_TRAINING_ONLY)}
    durable_files.write(folder / WEIGHTS_FILE, safetensors.torch.save(tensors))
    description = {
        **json_form.document(found),
        "genotype": katib_form.write(found),
        "network": {
            "format": FORMAT,
            "layout": asdict(layout),
            "image_shape": list(predictor.image_shape),
            "normalisation": {"mean": predictor.mean_c.tolist(), "std": predictor.std_c.tolist()},
            "class_names": list(predictor.class_names),
        },
    }
    artifacts.write_json(folder / NETWORK_FILE, description | dict(record))


def load(folder: str | os.PathLike[str], device: torch.device | None = None) -> Predictor:
    """Read what `save` wrote, ready to classify.

    Args:
        folder: that holds both files.
        device: where it shall compute; None for the CPU.

    Raises:
        SavedNetworkError: a file is missing or damaged, or they do not belong together.
        OSError: the machine refuses.
    """
    folder = Path(folder)
    found, description = _read_description(folder / NETWORK_FILE)
    try:
        layout = Layout(**description["layout"])
        channels, height, width = (int(side) for side in description["image_shape"])
        mean_c, std_c = (torch.tensor(description["normalisation"][name]) for name in ("mean", "std"))
        # Those of 0.1.0 have no names.
        class_names = tuple(str(name) for name in description.get("class_names", ()))
        if len(class_names) not in (0, layout.num_classes):
            raise ValueError(f"{len(class_names)} class_names are not allowed: it has {layout.num_classes} classes")
        network = Network(found, layout, generator=torch.Generator())
    except (LookupError, TypeError, ValueError, AssertionError) as error:
        raise SavedNetworkError(f"{folder / NETWORK_FILE} describes no network: {error}") from error
    path = folder / WEIGHTS_FILE
    try:
        network.load_state_dict(safetensors.torch.load(path.read_bytes()))
    except FileNotFoundError as error:
        raise SavedNetworkError(f"{path} is missing") from error
    except SafetensorError as error:
        raise SavedNetworkError(f"{path} is damaged: {error}") from error
    except RuntimeError as error:
        _, first, *_ = str(error).splitlines()  # torch names every weight that does not fit
        raise SavedNetworkError(f"{path} does not hold the weights of {NETWORK_FILE}: {first.strip()}") from error
    normalisation = Normalisation(mean_c=mean_c, std_c=std_c)
    predictor = Predictor(network, normalisation, (channels, height, width), class_names)
    return predictor.eval().to(device or torch.device("cpu"))


def _read_description(path: Path) -> tuple[Genotype, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        found, description = json_form.read(text), json.loads(text).get("network")
    except FileNotFoundError as error:
        raise SavedNetworkError(f"{path} is missing: it must be a folder that darts_trainer.retrain wrote") from error
    except ValueError as error:
        raise SavedNetworkError(f"{path} describes no network: {error}") from error
    if not isinstance(found, Genotype):
        raise SavedNetworkError(f"{path} describes a language model: darts_trainer.text_predictor loads those")
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise SavedNetworkError(f"{path} does not describe a network in format {FORMAT}")
    return found, description
