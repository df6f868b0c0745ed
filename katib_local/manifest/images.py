"""From the image of a trial to the program of this checkout that takes its place."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

from katib_suggestion.errors import InvalidExperiment

PROGRAMS: Mapping[str, str] = {
    "katib-nas/darts-trainer": "darts_trainer",
    "katib-nas/enas-trainer": "enas_trainer",
    **{
        f"{owner}/{algorithm}-cnn-cifar10-{device}": f"{algorithm}_trainer"
        for owner in ("kubeflowkatib", "kubeflow/katib")
        for algorithm in ("darts", "enas")
        for device in ("cpu", "gpu")
    },
}
"""Images, without registry and tag, and the package whose folder is their working directory."""

_TAG = re.compile(r"(:[^/:@]+)?(@[^/@]+)?$")


def program_dir(image: str, mapped: Mapping[str, Path]) -> Path:
    """Find the folder that an image's container would start in.

    Args:
        image: as the manifest names it, with or without registry, tag and digest.
        mapped: images of the user's own and their folders; they go before `PROGRAMS`.

    Raises:
        InvalidExperiment: nothing is known of the image.
    """
    for name, folder in mapped.items():
        if _matches(image, name):
            return folder
    for name, package in PROGRAMS.items():
        if _matches(image, name):
            return _package_dir(package)
    known = ", ".join([*mapped, *PROGRAMS])
    raise InvalidExperiment(
        "image", image, f"known are {known} (with any registry and tag); --image NAME=DIR adds others"
    )


def _matches(image: str, name: str) -> bool:
    repository = _TAG.sub("", image)
    return image == name or repository == name or repository.endswith(f"/{name}")


def _package_dir(package: str) -> Path:
    # The package is found, not imported: a trainer's torch has no place in this process.
    spec = importlib.util.find_spec(package)
    assert spec is not None, package
    assert spec.submodule_search_locations, package
    return Path(next(iter(spec.submodule_search_locations)))
