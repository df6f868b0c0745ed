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
        ("docker.io/kubeflowkatib/darts-cnn-cifar10:v0.13.0", DARTS),
        ("docker.io/kubeflowkatib/darts-cnn-cifar10:v1beta1-c6c9172", DARTS),
        ("registry.example.com:5000/mirror/docker.io/kubeflowkatib/enas-cnn-cifar10-gpu:v0.12.0", ENAS),
        ("charmedkubeflow/enas-cnn-cifar10-cpu@sha256:0123", ENAS),
        ("darts-cnn-cifar10-gpu", DARTS),
    ],
)
def test_known_images(image: str, folder: Path) -> None:
    assert images.program_dir(image, {}) == folder


@pytest.mark.parametrize("image", ["python:3.11", "my-katib-nas/darts-trainer", "katib-nas/darts-trainer/x", "${x}"])
def test_other_images_are_refused_with_the_known_ones(image: str) -> None:
    with pytest.raises(InvalidExperiment, match=r"katib-nas/darts-trainer.*--image NAME=KNOWN-IMAGE") as refusal:
        images.program_dir(image, {})
    assert image in str(refusal.value)


def test_the_users_own_go_first(tmp_path: Path) -> None:
    mapped = {"katib-nas/darts-trainer": str(tmp_path), "python:3.11": str(tmp_path)}
    assert images.program_dir("example.org/katib-nas/darts-trainer:1", mapped) == tmp_path
    assert images.program_dir("python:3.11", mapped) == tmp_path
    with pytest.raises(InvalidExperiment, match=r"python:3\.12"):
        images.program_dir("python:3.12", mapped)


def test_an_image_may_stand_for_one_that_is_known(tmp_path: Path) -> None:
    mapped = {"team/search": "katib-nas/enas-trainer:0.1.0", "enas-cnn-cifar10-cpu": str(tmp_path)}
    assert images.program_dir("registry.example.org/team/search:7", mapped) == ENAS
    assert images.package_of(images.program_dir("team/search", mapped)) == "enas_trainer"
    assert images.program_dir("kubeflowkatib/enas-cnn-cifar10-cpu", mapped) == tmp_path
    assert images.package_of(tmp_path) is None


def test_a_name_that_is_nearly_known_is_hinted_at() -> None:
    with pytest.raises(InvalidExperiment, match="did you mean darts-cnn-cifar10-cpu"):
        images.program_dir("kubeflowkatib/dart-cnn-cifar10-cpu", {})
