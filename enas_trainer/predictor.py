"""A trained network of an architecture with all that it needs to classify images: as a module, and as two files.

``weights.safetensors`` holds the network's weights and statistics, ``network.json`` what it is built from: the
architecture, nn_config, the shape of the images, their normalisation and the names of their classes. Reading them runs
no code. The interface is that of `darts_trainer.predictor`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from enas_trainer.macro import config
from enas_trainer.macro.child import Child
from enas_trainer.macro.config import Architecture, NetworkConfig
from trial_runtime.reporting import artifacts
from trial_runtime.trained import files
from trial_runtime.trained.classifier import Predictor, WrongImages
from trial_runtime.trained.files import NETWORK_FILE, WEIGHTS_FILE, SavedNetworkError

__all__ = [
    "FORMAT",
    "NETWORK_FILE",
    "WEIGHTS_FILE",
    "Predictor",
    "SavedNetworkError",
    "WrongImages",
    "load",
    "save",
]

FORMAT = 1
"""Of what `NETWORK_FILE` says; it changes when a reader of today would misread it."""


def save(
    folder: Path,
    predictor: Predictor,
    architecture: Architecture,
    network: NetworkConfig,
    record: Mapping[str, object],
) -> None:
    """Write both files; those that were there are replaced.

    Args:
        folder: where.
        predictor: to be saved.
        architecture: that its network is built from.
        network: sizes and operations that it is built from.
        record: more about it for a reader, as JSON.

    Raises:
        OSError: the machine refuses.
    """
    files.write_weights(folder, predictor.network.state_dict())
    description = {
        "architecture": [list(row) for row in architecture.rows],
        "nn_config": network.document(),
        "macro_network": {"format": FORMAT, **files.description(predictor)},
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
    text = files.read_text(folder)
    try:
        description = files.part_of(text, "macro_network", FORMAT)
        found = json.loads(text)
        architecture, network = config.read(*(json.dumps(found[name]) for name in ("architecture", "nn_config")))
        child = Child(architecture, network, torch.Generator())
        predictor = files.described(child, description, network.num_classes)
    except (LookupError, TypeError, ValueError) as error:
        raise SavedNetworkError(f"{folder / NETWORK_FILE} describes no macro network: {error}") from error
    files.read_weights(folder, child)
    return predictor.eval().to(device or torch.device("cpu"))
