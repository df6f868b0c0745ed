"""Which device a trial computes on."""

import re

import torch

_ALLOWED = "it must be auto, cpu, cuda, cuda:N or mps"


class DeviceError(ValueError):
    """A device is unknown, or this machine does not have it."""


def resolve(name: str) -> torch.device:
    """Return the device of a name: auto, cpu, cuda, cuda:N or mps.

    ``auto`` takes the first CUDA device, else Apple's GPU, else the CPU.

    Raises:
        DeviceError: the name is none of these, or the device is absent.
    """
    if name == "auto":
        return torch.device(_best())
    if not re.fullmatch(r"cpu|cuda(:\d{1,4})?|mps", name, re.ASCII):
        raise DeviceError(f"device: {name!r} is not allowed: {_ALLOWED}")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(f"device: {name!r} is not allowed: this machine shows {count} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device: {name!r} is not allowed: this machine has no such device")
    return device


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
