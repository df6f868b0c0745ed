"""Images and the programs that take their place."""

from pathlib import Path

import pytest

import darts_trainer
import enas_trainer
from katib_local.manifest import images
from katib_suggestion.errors import InvalidExperiment

DARTS = Path(darts_trainer.__file__).parent
ENAS = Path(enas_trainer.__file__).parent


@pytest.mark.parametrize(
    ("image", "folder"),
    [
        ("katib-nas/darts-trainer:0.1.0", DARTS),
        ("katib-nas/enas-trainer", ENAS),
        ("registry.example.org:5000/team/katib-nas/enas-trainer@sha256:0123", ENAS),
        ("docker.io/kubeflowkatib/darts-cnn-cifar10-cpu:latest", DARTS),
        ("ghcr.io/kubeflow/katib/darts-cnn-cifar10-gpu:v0.19.0", DARTS),
        ("kubeflowkatib/enas-cnn-cifar10-gpu", ENAS),
        ("ghcr.io/kubeflow/katib/enas-cnn-cifar10-cpu", ENAS),
    ],
)
def test_known_images(image: str, folder: Path) -> None:
    assert images.program_dir(image, {}) == folder


@pytest.mark.parametrize("image", ["python:3.11", "my-katib-nas/darts-trainer", "katib-nas/darts-trainer/x", "${x}"])
def test_other_images_are_refused_with_the_known_ones(image: str) -> None:
    with pytest.raises(InvalidExperiment, match=r"katib-nas/darts-trainer.*--image NAME=DIR") as refusal:
        images.program_dir(image, {})
    assert image in str(refusal.value)


def test_the_users_own_go_first(tmp_path: Path) -> None:
    mapped = {"katib-nas/darts-trainer": tmp_path, "python:3.11": tmp_path}
    assert images.program_dir("example.org/katib-nas/darts-trainer:1", mapped) == tmp_path
    assert images.program_dir("python:3.11", mapped) == tmp_path
    with pytest.raises(InvalidExperiment, match=r"python:3\.12"):
        images.program_dir("python:3.12", mapped)
