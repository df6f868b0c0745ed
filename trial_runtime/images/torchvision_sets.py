"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), SVHN (Netzer et al. 2011) and Fashion-MNIST (1708.07747), by torchvision.

Legend of shapes: n images, c channels, h and w pixels.
"""

import contextlib
import fcntl
import http.client
import logging
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from trial_runtime.errors import DatasetError

_STALL_TIMEOUT_S = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """What torchvision calls a data set, and how it hands it over."""

    dataset: str
    """Name of the class."""
    files: str
    """What lies in the data folder, for messages."""
    num_classes: int
    may_flip: bool
    """Whether a mirrored image means the same."""
    train: Mapping[str, object]
    """Arguments for the training images."""
    test: Mapping[str, object]
    """Arguments for the test images."""
    labels: str = "targets"
    """Attribute that holds the labels."""
    axes: tuple[int, ...] = (0, 3, 1, 2)
    """Where the attribute ``data`` has images, channels, rows and columns."""


_TRAIN_FLAG: Mapping[str, object] = MappingProxyType({"train": True})
_TEST_FLAG: Mapping[str, object] = MappingProxyType({"train": False})

SOURCES: Mapping[str, _Source] = MappingProxyType(
    {
        "cifar10": _Source(
            dataset="CIFAR10",
            files="cifar-10-python.tar.gz, unpacked",
            num_classes=10,
            may_flip=True,
            train=_TRAIN_FLAG,
            test=_TEST_FLAG,
        ),
        "cifar100": _Source(
            dataset="CIFAR100",
            files="cifar-100-python.tar.gz, unpacked",
            num_classes=100,
            may_flip=True,
            train=_TRAIN_FLAG,
            test=_TEST_FLAG,
        ),
        "svhn": _Source(
            dataset="SVHN",
            files="train_32x32.mat, and test_32x32.mat to test",
            num_classes=10,
            may_flip=False,  # a mirrored 3 is no digit, and a mirrored 2 looks like a 5
            train=MappingProxyType({"split": "train"}),
            test=MappingProxyType({"split": "test"}),
            labels="labels",
            axes=(0, 1, 2, 3),
        ),
        "fashion-mnist": _Source(
            dataset="FashionMNIST",
            files="the four idx files, unpacked, in FashionMNIST/raw",
            num_classes=10,
            may_flip=True,  # its shoes all point to the left, but a shoe that points to the right is one, too
            train=_TRAIN_FLAG,
            test=_TEST_FLAG,
            axes=(0, 1, 2),
        ),
    }
)
"""The data sets by our names."""


def load(name: str, data_dir: Path, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return training or test images (N, C, H, W), uint8, and their labels (N,), int64.

    The files of CIFAR are pickles, which can run code: torchvision opens them only with the official checksums.

    Args:
        name: one of `SOURCES`.
        data_dir: holds the official files, as torchvision lays them out; what is missing is downloaded into it.
        train: which of both.

    Raises:
        DatasetError: the data are not there and cannot be downloaded, or are broken.
    """
    source = SOURCES[name]
    data = _open(name, source, data_dir, source.train if train else source.test)
    images_nchw, labels_n = torch.as_tensor(data.data), torch.as_tensor(getattr(data, source.labels)).long()
    images_nchw = images_nchw.permute(source.axes)
    if images_nchw.ndim == 3:
        images_nchw = images_nchw.unsqueeze(1)
    if labels_n.shape != images_nchw.shape[:1]:
        raise _damaged(name, source, data_dir, f"there are {len(images_nchw)} images and {len(labels_n)} labels")
    if not len(labels_n):
        raise _damaged(name, source, data_dir, "there is no image")
    if not 0 <= int(labels_n.min()) <= int(labels_n.max()) < source.num_classes:
        raise _damaged(name, source, data_dir, f"a label is not from 0 to {source.num_classes - 1}")
    return images_nchw, labels_n


def _damaged(name: str, source: _Source, data_dir: Path, reason: str) -> DatasetError:
    return DatasetError("dataset", name, f"its files in {data_dir} are damaged ({reason}); put {source.files}, there")


def _open(name: str, source: _Source, data_dir: Path, arguments: Mapping[str, object]) -> Any:
    from torchvision import datasets  # other data sets start without torchvision

    def read(*, download: bool) -> Any:
        try:
            return getattr(datasets, source.dataset)(str(data_dir), download=download, **arguments)
        except (AssertionError, KeyError, TypeError, ValueError) as error:  # idx files have no checksum
            raise _damaged(name, source, data_dir, " ".join(str(error).split()) or "one ends too early") from error

    try:
        return read(download=False)
    except RuntimeError:  # torchvision's word for files that are missing or do not have the right checksum
        logger.info("downloading %s into %s", name, data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # torchvision may talk while it downloads, and standard output is for metric lines.
        with _alone(data_dir / f".{name}.lock"), _stalls_end(), contextlib.redirect_stdout(sys.stderr):
            return read(download=True)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(
            "dataset",
            name,
            f"it is not whole in {data_dir} and cannot be downloaded ({reason}); put {source.files}, into "
            "the folder that --data-dir or KATIB_NAS_DATA_DIR names, or take other images with --dataset or "
            "KATIB_NAS_DATASET (npz:PATH, imagefolder:PATH, digits)",
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
