"""CIFAR-10's training images (Krizhevsky 2009), by way of torchvision."""

import contextlib
import fcntl
import http.client
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trial_runtime.errors import DatasetError

_STALL_TIMEOUT_S = 60.0

logger = logging.getLogger(__name__)


def load(data_dir: Path) -> tuple[Tensor, Tensor]:
    """Return the 50,000 training images (N, 32, 32, 3), uint8, and their labels (N,), int64.

    Args:
        data_dir: holds ``cifar-10-batches-py``; the archive is downloaded and unpacked there where it does not.

    Raises:
        DatasetError: the data are not there and cannot be downloaded.
    """
    from torchvision.datasets import CIFAR10  # other data sets start without torchvision

    try:
        data = CIFAR10(str(data_dir), train=True, download=False)
    except RuntimeError:  # torchvision's word for files that are missing or do not have the right checksum
        data = _download(CIFAR10, data_dir)
    return torch.from_numpy(data.data), torch.tensor(data.targets, dtype=torch.int64)


def _download(cifar10: Any, data_dir: Path) -> Any:
    logger.info("downloading CIFAR-10 into %s", data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # torchvision may talk while it downloads, and standard output is for metric lines.
        with _alone(data_dir / ".cifar10.lock"), _stalls_end(), contextlib.redirect_stdout(sys.stderr):
            return cifar10(str(data_dir), train=True, download=True)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DatasetError(
            "dataset",
            "cifar10",
            f"it is not in {data_dir} and cannot be downloaded ({' '.join(str(error).split())}); unpack "
            "cifar-10-python.tar.gz into the folder that --data-dir or KATIB_NAS_DATA_DIR names, or take other images "
            "with --dataset or KATIB_NAS_DATASET (npz:PATH, digits)",
        ) from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file: trials of one machine start together and would write into each other's download."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _stalls_end() -> Iterator[None]:
    """Let a connection fail that has gone silent; torchvision sets no limit, and a trial would hang for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALL_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
