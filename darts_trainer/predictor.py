"""A trained network of a genotype with all that it needs to classify images: as a module, and as two files of a folder.

``weights.safetensors`` holds the network's weights and statistics, ``network.json`` what it is built from: the
genotype, its size, the shape of the images, their normalisation and the names of their classes. Reading them runs no
code.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from cell_networks.images import Network
from cell_networks.layout import Layout
from darts_genotype import json_form, katib_form
from darts_genotype.genotype import Genotype
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
"""Of what `NETWORK_FILE` says beside the genotype; it changes when a reader of today would misread it."""

_TRAINING_ONLY = "auxiliary_head."


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
    files.write_weights(folder, {name: state[name] for name in state if not name.startswith(_TRAINING_ONLY)})
    description = {
        **json_form.document(found),
        "genotype": katib_form.write(found),
        "network": {"format": FORMAT, "layout": asdict(layout), **files.description(predictor)},
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
        found = json_form.read(text)
        if not isinstance(found, Genotype):
            raise ValueError("it is a language model: darts_trainer.text_predictor loads those")
        description = files.part_of(text, "network", FORMAT)
        layout = Layout(**description["layout"])
        network = Network(found, layout, generator=torch.Generator())
        predictor = files.described(network, description, layout.num_classes)
    except (LookupError, TypeError, ValueError, AssertionError) as error:
        raise SavedNetworkError(f"{folder / NETWORK_FILE} describes no network: {error}") from error
    files.read_weights(folder, network)
    return predictor.eval().to(device or torch.device("cpu"))
