"""The processes of one trial: one alone, or those that torchrun starts, each with its share of every batch."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor

from trial_runtime.errors import TrainingDiverged
from trial_runtime.processes.termination import Terminated

_STORE_TIMEOUT = timedelta(seconds=10)
"""For torchrun's store, which is on this machine or on that of process 0."""


class ProcessesError(ValueError):
    """The environment variables that say which process this is contradict each other."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field}: {value!r} is not allowed: {allowed}")


class ProcessLost(ConnectionError):
    """Another process of the trial has ended or cannot be reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """The processes that compute one trial together, seen from one of them."""

    rank: int = 0
    """Which process this is, from 0."""
    size: int = 1
    """How many there are."""
    local_rank: int = 0
    """Which process of its machine this is, from 0."""

    def __post_init__(self) -> None:
        assert 0 <= self.local_rank <= self.rank < self.size, self

    @property
    def is_first(self) -> bool:
        """Whether this is process 0: it alone prints, logs and writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return which of count things are this process's.

        The shares of all processes follow each other and differ by one at most; where there are fewer things than
        processes, some are empty.
        """
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Within, this process is joined with the others; torch.distributed is left alone where there are none.

        Tensors on CUDA devices are added up over NCCL, those on CPUs over gloo.

        Args:
            device: this process's own.

        Raises:
            ProcessLost: another process does not come.
        """
        if self.size == 1:
            yield
            return
        # What an optimiser imports when it is made has functions whose default is the group of the moment. Imported
        # within, they keep the group's threads alive to the end of the interpreter, where one that lets go of a tensor
        # aborts the process.
        import torch._dynamo
        from torch import distributed

        if device.type == "cuda":
            torch.cuda.set_device(device)  # NCCL, and every kernel that names no device, would take the first
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        try:
            distributed.init_process_group(backend, rank=self.rank, world_size=self.size)
        except RuntimeError as error:
            raise ProcessLost(f"the {self.size} processes of the trial cannot join: {error}") from error
        try:
            yield
        except (Terminated, TrainingDiverged):  # in every process alike
            distributed.destroy_process_group()
            raise
        # Not after another exception: others may then wait for this process, which would wait for them here. That it
        # ends tells them.
        distributed.destroy_process_group()

    def add_up(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the sums of tensors over all processes, the same bits in each; a process alone gets its own back.

        Args:
            tensors: of the same shapes and types in each process, and on one device; left as they are.

        Raises:
            ProcessLost: another process has ended.
        """
        if self.size == 1:
            return list(tensors)
        sums: dict[int, Tensor] = {}
        # One message a type: for the many small weights of a network the number of messages costs, not their length.
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            places = [place for place, tensor in enumerate(tensors) if tensor.dtype == dtype]
            buffer = torch.cat([tensors[place].detach().reshape(-1) for place in places])
            self._all_reduce(buffer)
            parts = buffer.split_with_sizes([tensors[place].numel() for place in places])
            sums |= {place: _like(tensors[place], part) for place, part in zip(places, parts, strict=True)}
        return [sums[place] for place in range(len(tensors))]

    def of_first(self, value: int) -> int:
        """Return the value that process 0 has, which must fit 64 bits.

        Raises:
            ProcessLost: another process has ended.
        """
        (found,) = self.add_up([torch.tensor(value if self.is_first else 0, dtype=torch.int64)])
        return int(found)

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; each must ask.

        Raises:
            ProcessLost: another process has ended.
        """
        (count,) = self.add_up([torch.tensor(int(flag))])
        return bool(count)

    def minimum(self, value: int) -> int:
        """Return the smallest of the values that the processes have, each of which must fit 64 bits.

        Raises:
            ProcessLost: another process has ended.
        """
        values = torch.zeros(self.size, dtype=torch.int64)
        values[self.rank] = value
        (found,) = self.add_up([values])
        return int(found.min())

    def _all_reduce(self, buffer: Tensor) -> None:
        from torch import distributed

        try:
            distributed.all_reduce(buffer)
        except RuntimeError as error:  # gloo has no class of its own for it
            raise ProcessLost(f"another of the {self.size} processes of the trial is gone: {error}") from error


ALONE = Processes()
"""A process without others."""


def here() -> Processes:
    """Return this process among those of its trial, as torchrun's environment variables say; alone without them.

    Raises:
        ProcessesError: the variables make no sense.
    """
    if not os.environ.get("RANK") or not os.environ.get("WORLD_SIZE"):
        return ALONE
    rank, size, local_rank = _integer("RANK"), _integer("WORLD_SIZE"), _integer("LOCAL_RANK")
    if rank >= size:
        raise ProcessesError("RANK", rank, f"it must be below WORLD_SIZE, which is {size}")
    if local_rank > rank:
        raise ProcessesError("LOCAL_RANK", local_rank, f"it must not be above RANK, which is {rank}")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if size > 1 and not os.environ.get(name):
            raise ProcessesError(name, None, f"{size} processes need it to find each other; torchrun sets it")
    return Processes(rank=rank, size=size, local_rank=local_rank)


def is_first_to_fail() -> bool:
    """Whether this process, which fails, is the first to ask that of those that torchrun started on this machine.

    The others fail for the same reason, or because this one is gone: who reads the log needs to be told once.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    attempt, machine = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), os.environ.get("GROUP_RANK", "0")
    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, timeout=_STORE_TIMEOUT
        )
        return store.add(f"katib-nas/failures/{attempt}/{machine}", 1) == 1
    except (RuntimeError, LookupError, ValueError):
        return True  # to say it twice is better than never


def _integer(name: str) -> int:
    text = os.environ.get(name) or "0"
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ProcessesError(name, text, "it must be an integer >= 0; torchrun sets it")
    return int(text)


def _like(tensor: Tensor, flat: Tensor) -> Tensor:
    """Give flat numbers the shape of a tensor, and its layout in memory, on which an optimiser's speed depends."""
    shaped = flat.view(tensor.shape)
    return shaped if tensor.is_contiguous() else torch.empty_like(tensor).copy_(shaped)
