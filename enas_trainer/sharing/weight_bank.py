"""A bank of weights that trials on several machines share: a folder of entries, each a folder of versions.

A version is one file of safetensors, never changed: weights, and the history of them, that is each trial that trained
them and for how many steps. A trial takes an entry, trains it, and puts it back as a new version whose history is the
one it took and itself; then it removes the versions that it took. So nobody ever waits or overwrites, and a file
system need do no more than rename. Trials that finish at once leave several versions, of which no history holds the
other; whoever takes the entry next takes their average, weighted by the steps that each was trained beyond what all
have in common. docs/decisions/0009 says why.
"""

import contextlib
import errno
import hashlib
import json
import logging
import re
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import torch
from safetensors import torch as safetensors_torch
from torch import Tensor

from katib_suggestion.files import durable_files

Weights = Mapping[str, Tensor]
History = Mapping[str, int]
"""Ids of trials, and for how many steps each has trained the weights."""

_SUFFIX = ".safetensors"
_ID = re.compile(r"[0-9a-f]{16}")
_VERSION = re.compile(r"[^/]+\.safetensors")
_MAX_BYTES = 2**32
"""Largest file that is read: far above any layer's."""
_MAX_LISTINGS = 20
_ABANDONED_S = 86_400
"""Age at which a file that was never finished belongs to a trial that was killed."""

logger = logging.getLogger(__name__)


class DamagedVersion(ValueError):
    """A file of the bank is not what was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """An entry as a trial took it."""

    weights: Weights | None = None
    """On the CPU; None where there are none that fit."""
    history: History = field(default_factory=dict)
    files: tuple[str, ...] = ()
    """Names of the versions that it was taken from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    path: Path
    weights: Weights
    history: History


def take(entry: Path, like: Weights) -> Taken:
    """Return the weights of an entry, merged if need be, and what `put` needs to know.

    A damaged version is set aside under the name ``*.damaged``, with a warning. Weights of other names, shapes or types
    than expected are passed over, with a warning; they go when the trial puts its own.

    Args:
        entry: folder of the entry; it need not exist.
        like: weights of the names, shapes and types that are expected.

    Raises:
        OSError: the machine refuses.
    """
    versions = _versions(entry)
    fitting = [version for version in versions if _specification(version.weights) == _specification(like)]
    for version in versions:
        if version not in fitting:
            logger.warning("%s holds other weights than this network has, and is not used", version.path)
    return Taken(
        weights=merged([(version.weights, version.history) for version in fitting]) if fitting else None,
        history={trial: steps for version in versions for trial, steps in version.history.items()},
        files=tuple(version.path.name for version in versions),
    )


def put(entry: Path, weights: Weights, taken: Taken, *, trial: str, steps: int) -> None:
    """Add what a trial made of an entry; all or nothing, whenever the process is killed.

    To put the same twice, as a trial may that was killed and resumed, comes to the same as once.

    Args:
        entry: folder of the entry; made where it does not exist.
        weights: on any device.
        taken: what the trial began with; ``Taken()`` if it never took the entry.
        trial: id of the trial, 16 hexadecimal digits, unlike any other's.
        steps: of training, since the entry was taken.

    Raises:
        OSError: the machine refuses; the entry is as it was.
    """
    check_id(trial)
    history = {**taken.history, trial: steps}
    path = entry / f"{len(history):06d}-{trial}{_SUFFIX}"
    durable_files.write(path, _encode(weights, history))
    superseded = [entry / name for name in taken.files if name != path.name]
    with contextlib.suppress(OSError):  # the entry is whole: whoever takes it next passes over what is left
        for file in [*superseded, *_abandoned(entry)]:
            file.unlink(missing_ok=True)


def check_id(trial: str) -> None:
    """Check the id of a trial.

    Raises:
        ValueError: it is none.
    """
    if not _ID.fullmatch(trial):
        raise ValueError(f"{trial!r} is no id of a trial")


def check_names(files: Sequence[str]) -> None:
    """Check names of versions, which are removed once there are later ones.

    Raises:
        ValueError: one is no version's, and might be of a file elsewhere.
    """
    for name in files:
        if not _VERSION.fullmatch(name):
            raise ValueError(f"{name!r} is no version of weights")


def merged(versions: Sequence[tuple[Weights, History]]) -> Weights:
    """Return the average of versions, each weighted by the steps of its history that not all of them have.

    A version whose history is part of another's counts for nothing: the other was trained from it. Of whole numbers
    (counts of batches) the largest is kept.
    """
    latest: list[tuple[Weights, History]] = []
    for weights, history in sorted(versions, key=lambda version: len(version[1]), reverse=True):
        if not any(history.keys() <= later.keys() for _, later in latest):
            latest.append((weights, history))
    common = set.intersection(*(set(history) for _, history in latest))
    steps = [sum(count for trial, count in history.items() if trial not in common) for _, history in latest]
    if len(latest) == 1:
        return latest[0][0]
    shares = [count / sum(steps) for count in steps]
    return {name: _average([weights[name] for weights, _ in latest], shares) for name in latest[0][0]}


def _average(tensors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    if not tensors[0].is_floating_point():
        return torch.stack(list(tensors)).amax(dim=0)
    total = sum((tensor.double() * share for tensor, share in zip(tensors, shares, strict=True)), torch.tensor(0.0))
    return total.to(tensors[0].dtype)


def _abandoned(entry: Path) -> list[Path]:
    return [file for file in entry.glob(".*.writing") if time.time() - file.stat().st_mtime > _ABANDONED_S]


def _versions(entry: Path) -> list[_Version]:
    """Read every version that is there and whole."""
    for listing in range(_MAX_LISTINGS):
        found: list[_Version] = []
        vanished = False
        for path in sorted(entry.glob(f"[!.]*{_SUFFIX}")):
            try:
                found.append(_read(path))
            except DamagedVersion as error:
                _set_aside(path, error)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ESTALE):
                    raise
                vanished = True  # another trial has just put a later one in its place
        if not vanished:
            break
        time.sleep(0.01 * listing)  # the listing of a network's file system may be a little old
    return found


def _read(path: Path) -> _Version:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
        raise DamagedVersion(f"it must be a file of at most {_MAX_BYTES} bytes")
    content = path.read_bytes()
    try:
        weights = safetensors_torch.load(content)
        # What was loaded has a header that is whole: its length, then JSON.
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        history, checksum = json.loads(metadata["history"]), metadata["sha256"]
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise DamagedVersion(f"{type(error).__name__}: {error}") from error
    if checksum != _checksum(weights, metadata["history"]):
        raise DamagedVersion("its checksum is wrong")
    if not isinstance(history, dict) or not all(type(steps) is int and steps > 0 for steps in history.values()):
        raise DamagedVersion("its history is none")
    if not is_finite(weights):
        raise DamagedVersion("a weight is not finite")
    return _Version(path=path, weights=weights, history=history)


def is_finite(weights: Weights) -> bool:
    """Tell whether all weights are finite numbers."""
    return all(bool(tensor.isfinite().all()) for tensor in weights.values())


def _encode(weights: Weights, history: History) -> bytes:
    on_cpu = {name: tensor.detach().to("cpu").contiguous() for name, tensor in weights.items()}
    text = json.dumps(history)
    return safetensors_torch.save(on_cpu, {"history": text, "sha256": _checksum(on_cpu, text)})


def _checksum(weights: Weights, history: str) -> str:
    digest = hashlib.sha256(history.encode())
    for name, (shape, dtype) in _specification(weights).items():
        digest.update(f"{name} {shape} {dtype}".encode())
        digest.update(weights[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _specification(weights: Weights) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(weights[name].shape), weights[name].dtype) for name in sorted(weights)}


def _set_aside(path: Path, error: DamagedVersion) -> None:
    message = " ".join(str(error).split())[:200]
    try:
        path.rename(path.with_name(f"{path.name}.damaged"))
    except FileNotFoundError:
        return  # another trial was as quick
    logger.warning("%s is damaged and was set aside as *.damaged: %s", path, message)
