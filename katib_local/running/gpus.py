"""The CUDA devices of this machine, and which trial has which: on a cluster a device belongs to one pod."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Which devices a process sees, and in which order."""

_TIMEOUT_S = 30
_NONE = ("", "-1", "NoDevFiles")


class Gpus:
    """Devices that trials take and give back.

    Args:
        devices: by the names that `VISIBLE` takes; none where trials share what there is, if there is any.
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self._free = list(devices)
        self._taken: dict[str, tuple[str, ...]] = {}
        self._num_devices = len(devices)

    def take(self, trial: str, count: int) -> Mapping[str, str] | None:
        """Return the variables that give a trial devices of its own; None where it has to wait for them.

        One that asks for none, and any on a machine without devices, sees what everybody sees.
        """
        if count == 0 or self._num_devices == 0:
            return {}
        if count > len(self._free):
            return None
        self._taken[trial], self._free = tuple(self._free[:count]), self._free[count:]
        return {VISIBLE: ",".join(self._taken[trial])}

    def give_back(self, trial: str) -> None:
        """Free what a trial has; nothing where it has none."""
        self._free += self._taken.pop(trial, ())


def devices() -> Sequence[str]:
    """List the devices of this machine that this process may use, as `VISIBLE` names them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        named = [name.strip() for name in visible.split(",")]
        # CUDA looks at no name behind one that is none.
        end = next((index for index, name in enumerate(named) if name in _NONE), len(named))
        return named[:end]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    # By their own names: the numbers of CUDA and of this program may be others.
    command = [program, "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S).stdout
    except (OSError, subprocess.SubprocessError):
        return []  # as on a machine with the program and without the driver
    return [line.strip() for line in listed.splitlines() if line.strip().startswith(("GPU-", "MIG-"))]
