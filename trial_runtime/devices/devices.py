"""Which device a trial computes on."""

import re

import torch

from trial_runtime.processes.processes import ALONE, Processes

_ALLOWED = "it must be auto, cpu, cuda, cuda:N or mps"


class DeviceError(ValueError):
    """A device is unknown, or this machine does not have it."""


def resolve(name: str, processes: Processes = ALONE) -> torch.device:
    """Return the device of a name: auto, cpu, cuda, cuda:N or mps.

    ``auto`` takes the first CUDA device, else Apple's GPU, else the CPU. Of several processes each takes a CUDA device
    of its own, or else the CPU.

    Raises:
        DeviceError: the name is none of these, the device is absent, or several processes cannot have one each.
    """
    if processes.size > 1:
        return _own(name, processes)
    if name == "auto":
        return torch.device(_best())
    _check_name(name)
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(f"device: {name!r} is not allowed: this machine shows {count} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device: {name!r} is not allowed: this machine has no such device")
    return device


def _own(name: str, processes: Processes) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        _check_name(name)
        why = "each takes its own" if name.startswith("cuda") else "they cannot add up on it"
        raise DeviceError(
            f"device: {name!r} is not allowed with {processes.size} processes ({why}): it must be auto, cpu or cuda"
        )
    count = torch.cuda.device_count()
    if processes.local_rank >= count:
        raise DeviceError(
            f"device: {name!r} is not allowed: this machine shows {count} CUDA devices, and each process on it needs "
            "its own; start fewer, or say cpu"
        )
    return torch.device("cuda", processes.local_rank)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"cpu|cuda(:\d{1,4})?|mps", name, re.ASCII):
        raise DeviceError(f"device: {name!r} is not allowed: {_ALLOWED}")


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
