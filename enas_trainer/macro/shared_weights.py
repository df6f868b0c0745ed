"""A child's weights out of a bank that all trials of a search share, and back into it.

This is the sharing of ENAS (Pham et al., 1802.03268) between trials that are processes of their own: a layer's weights
belong to its place in the network, its operation and the shape of its input, not to one architecture.
"""

import dataclasses
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from enas_trainer import weight_bank
from enas_trainer.macro.child import Child, JoinedConvolution, Layer, initialise
from enas_trainer.macro.config import Architecture, NetworkConfig
from enas_trainer.macro.operation_types import TYPES, Operation
from enas_trainer.macro.operations import Shape
from enas_trainer.weight_bank import Taken, Weights
from katib_suggestion import durable_files
from trial_runtime import seeds
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.processes import ALONE, Processes

_FORMAT = 1
"""To be raised when weights of the same names come to mean something else."""

_COMMON_SEED = 0
"""Draws what no trial has trained yet. Average weights are of use where both were trained from the same ones, so trials
that begin at once must begin at the same weights."""

_MAX_LISTED = 32
"""Most sources of a layer that the name of an entry lists."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loan:
    """What a trial has taken from a bank, to be put back once, however often the trial is resumed."""

    folder: Path
    """See `folder_for`."""
    trial: str
    """Id of the trial in the bank."""
    taken: Mapping[str, Taken]
    """By the name of the entry, without the weights, which are in the child."""

    def state(self) -> dict[str, Any]:
        """Return what `resumed` reads, in plain values."""
        taken = {name: {"history": dict(one.history), "files": list(one.files)} for name, one in self.taken.items()}
        return {"trial": self.trial, "taken": taken}

    @classmethod
    def resumed(cls, state: Mapping[str, Any], folder: Path) -> "Loan":
        """Return the loan of a trial that was killed, and goes on with the weights of its checkpoint.

        Args:
            state: what `state` returned.
            folder: see `folder_for`.

        Raises:
            ValueError: the state names what is no trial, or a file that is none of the bank's.
            KeyError, TypeError: it is something else.
        """
        taken = {name: Taken(history=one["history"], files=tuple(one["files"])) for name, one in state["taken"].items()}
        weight_bank.check_id(state["trial"])
        for one in taken.values():
            weight_bank.check_names(one.files)
        return cls(folder=folder, trial=state["trial"], taken=taken)


def folder_for(bank: Path, network: NetworkConfig, training_images: ImageDataset) -> Path:
    """Return the folder in a bank for networks of these sizes on these images; its ``bank.json`` says which they are.

    Weights for another number of layers or for other images mean something else; and weights that were trained on
    images on which this trial validates would make its accuracy better than it is. So they never mix.
    """
    pixels = hashlib.sha256(training_images.images_nchw.numpy().data)
    pixels.update(training_images.labels_n.numpy().data)
    identity = {
        "format": _FORMAT,
        "num_layers": network.num_layers,
        "input_sizes": network.input_sizes,
        "output_sizes": network.output_sizes,
        "dataset": training_images.name,
        "training_images": len(training_images),
        "sha256": pixels.hexdigest(),
    }
    text = json.dumps(identity, indent=2) + "\n"
    name = re.sub(r"[^A-Za-z0-9]+", "-", training_images.name).strip("-")[-40:]
    folder = bank / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not (folder / "bank.json").is_file():
        _describe(folder, text)
    return folder


def borrow(
    child: Child, architecture: Architecture, network: NetworkConfig, folder: Path, group: Processes = ALONE
) -> Loan:
    """Put a bank's weights into a child; what is not there starts afresh, at the same weights in each trial.

    A machine that refuses is warned of, and the child starts afresh.

    Args:
        child: newly built from architecture and network.
        architecture: operations and joins of the layers.
        network: what the operations' ids mean.
        folder: see `folder_for`.
        group: processes that train the child together; the first takes the weights for all.

    Raises:
        ProcessLost: another process has ended.
    """
    taken: dict[str, Taken] = {}
    for module, found in _parts(child, architecture, network):
        initialise(module, seeds.generator(_COMMON_SEED, " ".join(found)))
        for entry, weights in found.items():
            taken[entry] = _take(folder / entry, weights) if group.is_first else Taken()
    _spread(child, group)
    known = sum(bool(one.history) for one in taken.values())
    logger.info("%d of %d entries of this network are in %s", known, len(taken), folder)
    return Loan(folder=folder, trial=secrets.token_hex(8), taken=taken)


def give_back(loan: Loan, child: Child, architecture: Architecture, network: NetworkConfig, steps: int) -> None:
    """Put a child's weights into the bank that they are from; a second time changes nothing.

    A machine that refuses is warned of: the trial has its result all the same.

    Args:
        loan: what the trial took.
        child: built from architecture and network, and trained.
        architecture: operations and joins of the layers.
        network: what the operations' ids mean.
        steps: of training, since the loan was taken.
    """
    everything = {
        entry: weights for _, found in _parts(child, architecture, network) for entry, weights in found.items()
    }
    if not all(weight_bank.is_finite(weights) for weights in everything.values()):
        logger.warning("a weight is not finite: nothing is put into %s", loan.folder)
        return
    try:
        for entry, weights in everything.items():
            weight_bank.put(loan.folder / entry, weights, loan.taken[entry], trial=loan.trial, steps=steps)
    except OSError as error:
        logger.warning("weights cannot be shared: %s", error)


def _parts(
    child: Child, architecture: Architecture, network: NetworkConfig
) -> Iterator[tuple[nn.Module, dict[str, Weights]]]:
    """Yield the modules of a child, each with its entries: their names, and parts of the module's state."""
    for number, (layer, sources) in enumerate(zip(child.layers, child.sources, strict=True), start=1):
        assert isinstance(layer, Layer)
        place = f"layer-{number:03d}"
        operation = network.embedding[architecture.operation(number)]
        of = _size(layer.input_shape)
        if layer.operation.state_dict():
            yield layer.operation, {f"{place}.{_name(operation)}.of-{of}": layer.operation.state_dict()}
        if layer.projection.state_dict():
            yield layer.projection, _projection(place, layer, {source: child.shapes[source] for source in sources})
    yield child.head, {f"head.of-{_size(child.shapes[-1])}": child.head.state_dict()}


def _projection(place: str, layer: Layer, sources: Mapping[int, Shape]) -> dict[str, Weights]:
    """Return an entry for what a projection makes of each source, and one for the batch norm of all of them."""
    convolution, norm, _ = layer.projection.children()
    assert isinstance(convolution, JoinedConvolution)
    to = _size(layer.input_shape)
    joined = "-".join(f"{source:03d}" for source in sources)
    if len(sources) > _MAX_LISTED:  # a file's name has 255 bytes
        joined = hashlib.sha256(joined.encode()).hexdigest()[:16]
    return {
        f"{place}.norm-{joined}.to-{to}": norm.state_dict(),
        **{
            f"{place}.join-{source:03d}.of-{_size(shape)}.to-{to}": {
                "weight": convolution.weights[str(source)].detach()
            }
            for source, shape in sources.items()
        },
    }


def _name(operation: Operation) -> str:
    kind = next(name for name, kind in TYPES.items() if isinstance(operation, kind))
    return ".".join([kind, *(f"{name}-{value}" for name, value in dataclasses.asdict(operation).items())])


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _take(entry: Path, weights: Weights) -> Taken:
    """Copy what an entry has into weights; return what is to be remembered of it."""
    try:
        taken = weight_bank.take(entry, like=weights)
    except OSError as error:
        logger.warning("shared weights cannot be read, and start afresh: %s", error)
        return Taken()
    for name, tensor in (taken.weights or {}).items():
        weights[name].copy_(tensor)
    return dataclasses.replace(taken, weights=None)


@torch.no_grad()
def _spread(child: Child, group: Processes) -> None:
    """Give every process what the first has."""
    state = list(child.state_dict().values())
    for tensor, total in zip(state, group.add_up([each * group.is_first for each in state]), strict=True):
        tensor.copy_(total)


def _describe(folder: Path, text: str) -> None:
    draft = folder / f".bank.json.{secrets.token_hex(8)}"  # trials that begin at once write the same, and not into one
    try:
        durable_files.make_folder(folder)
        draft.write_bytes(text.encode())
        durable_files.publish(draft, folder / "bank.json")
    except OSError as error:
        logger.warning("weights cannot be shared: %s", error)
