"""The batch of a search whose setting is None: the largest whose steps fit into memory.

Steps of the search are really taken, in a process of their own to which memory beyond a limit is refused. So nobody is
killed, all memory comes back, and weights, statistics and random numbers of the search itself stay as they are.
"""

import logging
import multiprocessing
import signal
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from multiprocessing.connection import Connection

import torch

from cell_networks.layout import Layout
from darts_trainer.images import construction
from darts_trainer.images.config import TrainerConfig
from darts_trainer.search.loop import Search
from darts_trainer.supernet.classification import Classification
from darts_trainer.supernet.data import SearchData, num_validated_at_once
from katib_suggestion.errors import InvalidExperiment
from trial_runtime.devices import memory, precision
from trial_runtime.errors import TrainingDiverged
from trial_runtime.images.datasets import ImageDataset
from trial_runtime.images.tally import Means
from trial_runtime.processes.processes import Processes

MAX_BATCH_SIZE = 1_024
"""No larger batch is tried: the learning rates of the settings are for far smaller ones."""
MIN_STEPS = 8
"""Steps that an epoch keeps: on few images, a batch that fits could be all of them."""

_GRANULARITY = 16
_SHARE = 0.8
"""Of the memory that is free: a search goes on for long, and memory becomes fragmented."""
_COPIES = 3
"""Room for the images on the device, as a multiple of theirs: both halves stand there with borders, one twice."""

PeakOf = Callable[[int], int | None]
"""Takes a step with so many images; returns the most bytes that it took, or None where it did not fit."""

logger = logging.getLogger(__name__)


def largest_that_fits(trial: TrainerConfig, images: ImageDataset, group: Processes) -> int:
    """Return the most images of a step, from each half of the data, that all processes together can take.

    Args:
        trial: what is to be searched.
        images: all of them, not yet on the device.
        group: the processes that search together; all must call this.

    Raises:
        InvalidExperiment: the device is none whose memory can be limited.
        MemoryError: not even the smallest batch fits.
        ProcessLost: another process has ended.
    """
    if not memory.can_limit(trial.device):
        allowed = f"how much fits cannot be found out on {trial.device.type}: it must be an integer"
        raise InvalidExperiment("batch_size", None, allowed)
    started = time.monotonic()
    budget = _budget(trial.device, images, group)
    sizes = _sizes(_most(len(images), trial.data.train_portion) // group.size)
    with Steps(trial, images, budget, replay=trial.replays(group.size)) as steps:
        own = largest(sizes, steps.peak_of, budget)
    found = group.minimum(own or 0) * group.size
    if not found:
        raise MemoryError(f"a step with {sizes[0]} images does not fit into {budget / 2**30:.2f} GiB: {steps.refusal}")
    seconds = time.monotonic() - started
    logger.info("batch_size None: the largest that fits has %d images, found in %.0f s", found, seconds)
    return found


def largest(sizes: Sequence[int], peak_of: PeakOf, budget: int) -> int | None:
    """Return the largest size that fits; None if none does.

    It tries ever larger ones, as long as the line through the last two peaks promises that they fit, and halves what is
    left to try where that promise is broken.

    Args:
        sizes: to choose from, ascending.
        peak_of: called with some of them; if one fits, all below it do.
        budget: the peak that fits, in bytes.
    """
    peaks: list[tuple[int, int]] = []
    good, bad = -1, len(sizes)
    while bad - good > 1:
        if bad < len(sizes):
            place = (good + bad) // 2
        else:
            place = min(2 * good + 2, _promised(sizes, peaks, budget))
            if place <= good:
                break
        peak = peak_of(sizes[place])
        if peak is None:
            bad = place
        else:
            good = place
            peaks.append((sizes[place], peak))
    return sizes[good] if good >= 0 else None


def _promised(sizes: Sequence[int], peaks: Sequence[tuple[int, int]], budget: int) -> int:
    """Place of the largest size that fits by the line through the last two peaks."""
    if len(peaks) < 2:
        return len(sizes) - 1
    (smaller, low), (size, peak) = peaks[-2:]
    if peak <= low:
        return len(sizes) - 1
    most = size + (budget - peak) * (size - smaller) / (peak - low)
    return bisect_right(sizes, most) - 1


def _budget(device: torch.device, images: ImageDataset, group: Processes) -> int:
    """Memory that a process may take; those on CPUs share what there is, and none may have begun to take it."""
    sharing = group.size if device.type == "cpu" else 1
    room = _SHARE * memory.available(device) / sharing - _COPIES * images.images_nchw.nbytes
    return group.minimum(max(0, int(room)))


def _most(num_images: int, train_portion: float) -> int:
    smaller_half = int(num_images * min(train_portion, 1 - train_portion))
    return min(MAX_BATCH_SIZE, smaller_half // MIN_STEPS)


def _sizes(most: int) -> list[int]:
    """Batches to choose from, for a process; a batch norm needs two images."""
    sizes = [2, 4, 8, *range(_GRANULARITY, most + 1, _GRANULARITY)]
    return [size for size in sizes if size <= most] or sizes[:1]


class Steps:
    """Takes steps in a process of its own, and in a fresh one after each that did not fit."""

    def __init__(self, trial: TrainerConfig, images: ImageDataset, budget: int, *, replay: bool) -> None:
        self._arguments = (trial, construction.layout_of(trial, images), images.image_shape, budget, replay)
        self._spawn = multiprocessing.get_context("spawn")
        self._process: multiprocessing.process.BaseProcess | None = None
        self.refusal = ""

    def __enter__(self) -> "Steps":
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def peak_of(self, size: int) -> int | None:
        """Take a step; see `PeakOf`. Where it does not fit, ``refusal`` says what the device said."""
        if self._process is None:
            self._connection, theirs = self._spawn.Pipe()
            self._process = self._spawn.Process(target=_answer, args=(theirs, *self._arguments), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._connection.send(size)
            peak: int | str = self._connection.recv()
        except (EOFError, ConnectionError):
            peak = "the process that tried it was ended"
        if isinstance(peak, int):
            return peak
        self.refusal = peak
        self._end()
        return None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _answer(
    connection: Connection,
    trial: TrainerConfig,
    layout: Layout,
    image_shape: tuple[int, int, int],
    budget: int,
    replay: bool,
) -> None:
    """Answer each size with the peak of a step, until one does not fit: that one with the reason."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks is told, too, and ends this one
    precision.settle(trial.device)
    settings = replace(trial.settings, num_epochs=1)
    num_steps = 2 if replay else 1  # the second one is recorded, which takes other memory
    limit = memory.Limit(trial.device, budget)
    generator = torch.Generator().manual_seed(0)
    try:
        supernet = construction.supernet_of(trial, layout, generator)
        while True:
            size = connection.recv()
            num_images = num_steps * (1 + num_validated_at_once(trial.device)) * size
            data = SearchData.of(
                _noise(num_images, layout, image_shape, generator),
                size,
                train_portion=num_steps * size / num_images,
                device=trial.device,
                seed=0,
            )
            with redirect_stderr(StringIO()):  # a bar of progress would be of no search that anyone watches
                _run(Search(Classification(supernet, data, replays=replay), settings, order=trial.order))
            connection.send(limit.peak())
    except EOFError:
        return
    except (MemoryError, RuntimeError) as error:  # the allocators of torch and its libraries have many ways to say so
        connection.send(" ".join(str(error).split())[:200] or type(error).__name__)


def _run(search: Search[Means]) -> None:
    try:
        for _ in search:
            pass
    except TrainingDiverged:
        pass  # in as much memory as otherwise


def _noise(size: int, layout: Layout, image_shape: tuple[int, int, int], generator: torch.Generator) -> ImageDataset:
    """Images that nobody would tell apart."""
    return ImageDataset(
        name="noise",
        images_nchw=torch.randint(256, (size, *image_shape), dtype=torch.uint8, generator=generator),
        labels_n=torch.randint(layout.num_classes, (size,), generator=generator),
        num_classes=layout.num_classes,
        may_flip=True,
    )
