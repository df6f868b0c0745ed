"""A trained network as the two files of a folder.

``weights.safetensors`` holds the network's weights and statistics, ``network.json`` what it is built from. Reading them
runs no code.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from katib_suggestion.files import durable_files
from trial_runtime.images.batches import Normalisation
from trial_runtime.trained.classifier import Predictor

NETWORK_FILE = "network.json"
WEIGHTS_FILE = "weights.safetensors"


class SavedNetworkError(ValueError):
    """The files of a network are missing or damaged, or do not belong together."""


def write_weights(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state of a network.

    Raises:
        OSError: the machine refuses.
    """
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    durable_files.write(folder / WEIGHTS_FILE, safetensors.torch.save(tensors))


def read_weights(folder: Path, network: nn.Module) -> None:
    """Put what `write_weights` wrote into a network of the same shape.

    Raises:
        SavedNetworkError: the file is missing or damaged, or another network's.
        OSError: the machine refuses.
    """
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


def read_text(folder: Path) -> str:
    """Return what `NETWORK_FILE` says.

    Raises:
        SavedNetworkError: it is missing, or no text.
        OSError: the machine refuses.
    """
    path = folder / NETWORK_FILE
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        written = "it must be a folder that a training of what was found wrote"
        raise SavedNetworkError(f"{path} is missing: {written}") from error
    except UnicodeDecodeError as error:
        raise SavedNetworkError(f"{path} describes no network: {error}") from error


def part_of(text: str, name: str, form: int) -> dict[str, Any]:
    """Return the part of what `NETWORK_FILE` says that tells what a network is built from.

    Args:
        text: of the file.
        name: of the part.
        form: its ``format``, which changes when a reader of today would misread it.

    Raises:
        ValueError: there is none of that format.
    """
    found = json.loads(text)
    part = found.get(name) if isinstance(found, dict) else None
    if not isinstance(part, dict) or part.get("format") != form:
        raise ValueError(f"it does not describe a {name.replace('_', ' ')} in format {form}")
    return part


def description(predictor: Predictor) -> dict[str, Any]:
    """Return what is kept of a predictor beside its network, as JSON."""
    return {
        "image_shape": list(predictor.image_shape),
        "normalisation": {"mean": predictor.mean_c.tolist(), "std": predictor.std_c.tolist()},
        "class_names": list(predictor.class_names),
    }


def described(network: nn.Module, found: Mapping[str, Any], num_classes: int) -> Predictor:
    """Make a predictor of a network and what `description` returned.

    Raises:
        LookupError, TypeError, ValueError: that is not what was returned.
    """
    channels, height, width = (int(side) for side in found["image_shape"])
    mean_c, std_c = (torch.tensor(found["normalisation"][name]) for name in ("mean", "std"))
    # Those of 0.1.0 have no names.
    class_names = tuple(str(name) for name in found.get("class_names", ()))
    if len(class_names) not in (0, num_classes):
        raise ValueError(f"{len(class_names)} class_names are not allowed: it has {num_classes} classes")
    return Predictor(network, Normalisation(mean_c=mean_c, std_c=std_c), (channels, height, width), class_names)
