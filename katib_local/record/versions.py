"""What a run was computed with."""

import platform
from importlib import metadata

_PACKAGES = ("katib-nas", "numpy", "torch", "torchvision", "tensorflow", "tensorflow-cpu", "keras", "grpcio")


def installed() -> dict[str, str]:
    """Return the versions that results can hang on, by name; what is not installed is left out."""
    found = {"Python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
