"""From the image of a trial to the program of this checkout that takes its place."""

import difflib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

from katib_local.errors import ClusterOnly

OURS: Mapping[str, str] = {"katib-nas/darts-trainer": "darts_trainer", "katib-nas/enas-trainer": "enas_trainer"}
"""Our images, without registry and tag, and the package whose folder is their working directory."""

KATIBS: Mapping[str, str] = {
    f"{algorithm}-cnn-cifar10{device}": f"{algorithm}_trainer"
    for algorithm in ("darts", "enas")
    for device in ("", "-cpu", "-gpu")
}
"""The last part of each name that Katib's examples of both searches have had since 0.10, and the same.

They were docker.io/kubeflowkatib/NAME and are ghcr.io/kubeflow/katib/NAME; a mirror puts what it likes before that.
"""

_TAG = re.compile(r"(:[^/:@]+)?(@[^/@]+)?$")


def program_dir(image: str, mapped: Mapping[str, str]) -> Path:
    """Find the folder that an image's container would start in.

    Args:
        image: as the manifest names it, with or without registry, tag and digest.
        mapped: images of the user's own, and what takes their place: an absolute folder, or an image that is known.
            They go before those that are known.

    Raises:
        InvalidExperiment: nothing is known of the image.
    """
    for name, target in mapped.items():
        if _matches(image, name):
            return Path(target) if Path(target).is_absolute() else program_dir(target, {})
    package = _package(image)
    if package is None:
        known = [*mapped, *OURS, *KATIBS]
        closest = difflib.get_close_matches(_repository(image).rpartition("/")[2], known, n=1)
        hint = f"did you mean {closest[0]}? " if closest else ""
        raise ClusterOnly(
            "image",
            image,
            f"{hint}known are {', '.join(known)} (with any registry and tag); --image NAME=DIR or "
            "--image NAME=KNOWN-IMAGE adds others",
        )
    return _package_dir(package)


def is_known(image: str) -> bool:
    """Tell whether a program of ours takes an image's place without being told."""
    return _package(image) is not None


def package_of(folder: Path) -> str | None:
    """Return which of our packages a folder is, whatever named it; None for a program of somebody else's."""
    return next((package for package in OURS.values() if folder.resolve() == _package_dir(package).resolve()), None)


def _package(image: str) -> str | None:
    repository = _repository(image)
    found = next((package for name, package in OURS.items() if _matches(image, name)), None)
    return found or KATIBS.get(repository.rpartition("/")[2])


def _matches(image: str, name: str) -> bool:
    repository = _repository(image)
    return image == name or repository == name or repository.endswith(f"/{name}")


def _repository(image: str) -> str:
    return _TAG.sub("", image)


def _package_dir(package: str) -> Path:
    # The package is found, not imported: a trainer's torch has no place in this process.
    spec = importlib.util.find_spec(package)
    assert spec is not None, package
    assert spec.submodule_search_locations, package
    return Path(next(iter(spec.submodule_search_locations)))
