"""The numbers of classes: what a trainer takes, and how others are numbered anew.

Legend of shapes: n images, k classes.
"""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from trial_runtime.errors import DatasetError

MAX_CLASSES = 65_536
"""One above the largest label; more is taken for a mistake, since a network gets an output for each."""

_MAX_SHOWN = 20

logger = logging.getLogger(__name__)


def check(labels_n: Tensor, where: str) -> None:
    """Refuse labels that do not count from 0 without gaps: a network would get outputs that nothing trains.

    Args:
        labels_n: int64, at least one.
        where: names the labels in a message.

    Raises:
        DatasetError: they do not.
    """
    found = torch.unique(labels_n)
    if len(found) > MAX_CLASSES:
        raise DatasetError(where, f"{len(found)} different ones", f"there are at most {MAX_CLASSES} classes")
    first, last = int(found[0]), int(found[-1])
    if first == 0 and last == len(found) - 1:
        return
    numbers = f"{first} to {last}, with gaps" if last - first >= len(found) else f"{first} to {last}"
    allowed = f"the labels of {len(found)} classes must be 0 to {len(found) - 1}; --labels remap numbers them anew"
    raise DatasetError(where, numbers, allowed)


def numbered(labels_n: Tensor, where: str) -> tuple[Tensor, tuple[int, ...]]:
    """Number labels anew from 0, in their order, and log what became of them.

    Returns:
        the labels (N,), int64, and what each of them was called.

    Raises:
        DatasetError: there are too many classes.
    """
    given_k, new_n = torch.unique(labels_n, return_inverse=True)
    if len(given_k) > MAX_CLASSES:
        raise DatasetError(where, f"{len(given_k)} different ones", f"there are at most {MAX_CLASSES} classes")
    given = tuple(given_k.tolist())
    pairs = ", ".join(f"{old} to {new}" for new, old in enumerate(given[:_MAX_SHOWN]))
    more = f", and {len(given) - _MAX_SHOWN} more in their order" if len(given) > _MAX_SHOWN else ""
    logger.info("%s: numbered anew, %s%s", where, pairs, more)
    return new_n, given


def numbered_as(labels_n: Tensor, given: Sequence[int], where: str) -> Tensor:
    """Number labels as others were by `numbered`.

    Raises:
        DatasetError: a label is none of those.
    """
    number_of = {label: number for number, label in enumerate(given)}
    found = torch.unique(labels_n).tolist()
    for label in found:
        if label not in number_of:
            raise DatasetError(where, label, f"the training images have the labels {_listed(given)}")
    table_k = torch.tensor([number_of[label] for label in found])
    return table_k[torch.searchsorted(torch.tensor(found), labels_n)]


def _listed(given: Sequence[int]) -> str:
    more = ", …" if len(given) > _MAX_SHOWN else ""
    return ", ".join(map(str, given[:_MAX_SHOWN])) + more
