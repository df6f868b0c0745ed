"""How much memory a process may take, and a limit that it cannot pass: what is refused in time kills nobody."""

import math
import resource
from pathlib import Path

import torch

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def can_limit(device: torch.device) -> bool:
    """Whether the memory of a device can be measured and limited here: CUDA devices, and the CPU under Linux."""
    return device.type == "cuda" or (device.type == "cpu" and (_PROC / "self/status").exists())


def available(device: torch.device) -> int:
    """Return how many bytes more the processes here can take on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return available_to_cpu()


def available_to_cpu(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Return how many bytes more the processes here can take without any being killed.

    That is what the machine has to give, or less where a control group, such as a container's, has a limit.

    Args:
        proc: Linux's folder of processes.
        cgroups: where control groups of version 2 are mounted, or ``memory`` in it of version 1.
    """
    return min([_field(proc / "meminfo", "MemAvailable"), *_rooms(proc, cgroups)])


def room_for_data() -> float:
    """Return how many bytes of images this process may load: they are copied once on the way, and not all is theirs.

    Infinity where it cannot be told.
    """
    return available_to_cpu() // 3 if can_limit(torch.device("cpu")) else math.inf


class Limit:
    """A limit for this process, from here on, beyond which memory is refused to it.

    Args:
        device: whose memory.
        num_bytes: that may be taken beside what is taken now.
    """

    def __init__(self, device: torch.device, num_bytes: int) -> None:
        self._device = device
        self._start = 0
        if device.type == "cuda":
            _, total = torch.cuda.mem_get_info(device)
            torch.cuda.set_per_process_memory_fraction(min(1.0, num_bytes / total), device)
            return
        # Address space is what can be limited; memory is never more.
        self._start = _field(_PROC / "self/status", "VmSize")
        resource.setrlimit(resource.RLIMIT_AS, (self._start + num_bytes,) * 2)

    def peak(self) -> int:
        """Return the most bytes that were taken at a time since the limit was set."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._device)
        return _field(_PROC / "self/status", "VmPeak") - self._start


def _rooms(proc: Path, cgroups: Path) -> list[int]:
    """What the control groups of this process leave it: its own, and those that this one is in."""
    rooms = []
    for line in (proc / "self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, usage, cache = cgroups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root = cgroups / "memory"
            limit, usage, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        # In a container the path may be that outside of it: then only the root is there.
        own = root / path.strip("/")
        for folder in [own, *(parent for parent in own.parents if parent.is_relative_to(root))]:
            if not (folder / limit).exists():
                continue
            text = (folder / limit).read_text().strip()
            if text != "max":
                # Pages of files that nobody uses are given back before anyone is killed.
                used = int((folder / usage).read_text()) - _field(folder / "memory.stat", cache)
                rooms.append(max(0, int(text) - used))
    return rooms


def _field(path: Path, name: str) -> int:
    """Return a line's number, in bytes: ``name: 12 kB`` or ``name 12``."""
    for line in path.read_text().splitlines():
        words = line.replace(":", " ").split()
        if words and words[0] == name:
            return int(words[1]) * (1024 if words[2:] == ["kB"] else 1)
    raise OSError(f"{path} has no line {name}")
