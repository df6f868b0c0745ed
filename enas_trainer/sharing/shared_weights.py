"""A child's weights out of a bank that all trials of a search share, and back into it.

This is the sharing of ENAS (Pham et al., 1802.03268) between trials that are processes of their own: weights belong to
their place in the network, their operation and the shape of their input, not to one architecture.
"""

import dataclasses
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from enas_trainer.sharing import weight_bank
from enas_trainer.sharing.weight_bank import Taken, Weights
from katib_suggestion.files import durable_files
from katib_suggestion.parsing.assignment import JSON
from trial_runtime import seeds
from trial_runtime.processes.processes import ALONE, Processes

_FORMAT = 1
"""To be raised when weights of the same names come to mean something else."""

_COMMON_SEED = 0
"""Draws what no trial has trained yet. Average weights are of use where both were trained from the same ones, so trials
that begin at once must begin at the same weights."""

_MAX_LISTED = 32
"""Most numbers that the name of an entry lists."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some of a child's weights that are drawn together."""

    initialise: Callable[[torch.Generator], None]
    """Draws them anew."""
    entries: Mapping[str, Weights]
    """Names in a bank, each with the weights that go there: they are the child's own, or views of them."""


class Sharing(Protocol):
    """A network whose weights a bank can hold."""

    def parts(self) -> Iterable[Part]:
        """Return all of it."""

    def state_dict(self) -> dict[str, Any]:
        """Return its weights and buffers, as torch does."""


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


def folder_for(bank: Path, kind: Mapping[str, JSON], dataset: str, data: Sequence[Tensor]) -> Path:
    """Return the folder in a bank for networks of some sizes on some data; its ``bank.json`` says which they are.

    Weights for another number of layers or for other data mean something else; and weights that were trained on data on
    which this trial validates would make its metrics better than they are. So they never mix.

    Args:
        bank: that trials share.
        kind: what decides what the weights of an entry mean, beside its name; how much is trained on.
        dataset: its name.
        data: all that is trained on.
    """
    digest = hashlib.sha256()
    for tensor in data:
        digest.update(tensor.numpy().data)
    text = json.dumps({"format": _FORMAT, **kind, "sha256": digest.hexdigest()}, indent=2) + "\n"
    name = re.sub(r"[^A-Za-z0-9]+", "-", dataset).strip("-")[-40:]
    folder = bank / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not (folder / "bank.json").is_file():
        _describe(folder, text)
    return folder


def borrow(child: Sharing, folder: Path, group: Processes = ALONE) -> Loan:
    """Put a bank's weights into a child; what is not there starts afresh, at the same weights in each trial.

    A machine that refuses is warned of, and the child starts afresh.

    Args:
        child: newly built.
        folder: see `folder_for`.
        group: processes that train the child together; the first takes the weights for all.

    Raises:
        ProcessLost: another process has ended.
    """
    taken: dict[str, Taken] = {}
    for part in child.parts():
        part.initialise(seeds.generator(_COMMON_SEED, " ".join(part.entries)))
        for entry, weights in part.entries.items():
            taken[entry] = _take(folder / entry, weights) if group.is_first else Taken()
    _spread(child, group)
    known = sum(bool(one.history) for one in taken.values())
    logger.info("%d of %d entries of this network are in %s", known, len(taken), folder)
    return Loan(folder=folder, trial=secrets.token_hex(8), taken=taken)


def give_back(loan: Loan, child: Sharing, steps: int) -> None:
    """Put a child's weights into the bank that they are from; a second time changes nothing.

    A machine that refuses is warned of: the trial has its result all the same.

    Args:
        loan: what the trial took.
        child: the same, trained.
        steps: of training, since the loan was taken.
    """
    everything = {entry: weights for part in child.parts() for entry, weights in part.entries.items()}
    if not all(weight_bank.is_finite(weights) for weights in everything.values()):
        logger.warning("a weight is not finite: nothing is put into %s", loan.folder)
        return
    try:
        for entry, weights in everything.items():
            weight_bank.put(loan.folder / entry, weights, loan.taken[entry], trial=loan.trial, steps=steps)
    except OSError as error:
        logger.warning("weights cannot be shared: %s", error)


def numbered(numbers: Iterable[int]) -> str:
    """Write numbers of layers or nodes as the name of an entry lists them."""
    listed = list(numbers)
    joined = "-".join(f"{number:03d}" for number in listed)
    if len(listed) > _MAX_LISTED:  # a file's name has 255 bytes
        return hashlib.sha256(joined.encode()).hexdigest()[:16]
    return joined


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
def _spread(child: Sharing, group: Processes) -> None:
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
