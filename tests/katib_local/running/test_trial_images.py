"""The images of the trials, looked at before there is a trial."""

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from katib_local.errors import UsageError
from katib_local.manifest import manifest as manifests
from katib_local.manifest.experiment import NasConfig
from katib_local.record.options import Options
from katib_local.running import preflight, trial_images
from katib_suggestion.errors import InvalidExperiment

Document = dict[str, Any]

CONTAINER = "spec.trialTemplate.trialSpec.spec.template.spec.containers.0"
GRAPH = "spec.nasConfig.graphConfig"
ENAS: Document = {
    "spec.algorithm": {"algorithmName": "enas"},
    "spec.objective.objectiveMetricName": "Validation-Accuracy",
    "spec.nasConfig.operations": [],
    f"{GRAPH}.inputSizes": [32, 32, 3],
    "spec.trialTemplate.trialParameters": [
        {"name": "arch", "reference": "architecture"},
        {"name": "conf", "reference": "nn_config"},
    ],
    f"{CONTAINER}.image": "katib-nas/enas-trainer",
}
COMMAND = [
    "python3",
    "RunTrial.py",
    '--architecture="${trialParameters.arch}"',
    '--nn_config="${trialParameters.conf}"',
]


@pytest.fixture
def pics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of 10 x 12 pixels in three classes, beside the manifest; and no such variable."""
    for name in ("DATASET", "DATA_DIR", "IMAGE_SIZE", "MAX_IMAGES"):
        monkeypatch.delenv(f"KATIB_NAS_{name}", raising=False)
    for label, name in enumerate(("cat", "dog", "owl")):
        (tmp_path / "pics" / name).mkdir(parents=True)
        Image.new("RGB", (12, 10), (9, 9, label)).save(tmp_path / "pics" / name / "0.png")
    return tmp_path / "pics"


@pytest.fixture
def fitted(manifest: Callable[..., Document]) -> Callable[..., NasConfig]:
    def call(changes: Document, *flags: str, is_run: bool = True, **options: Any) -> NasConfig:
        command = {f"{CONTAINER}.command": [*COMMAND, *flags]}
        document = manifest(copy.deepcopy(ENAS) | command | changes)
        found = trial_images.fitted(manifests.parse(document), Options(**options), is_run=is_run).nas
        assert found is not None
        return found

    return call


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--dataset", "imagefolder:pics"], {}),
        (["--dataset=digits", "--image-size=16"], {"dataset": "imagefolder:{pics}", "image_size": "10x12"}),
    ],
)
def test_a_mismatch_is_found_before_the_first_trial(
    pics: Path, fitted: Callable[..., NasConfig], flags: list[str], options: dict[str, str]
) -> None:
    options = {name: text.format(pics=pics) for name, text in options.items()}
    with pytest.raises(InvalidExperiment) as refused:
        fitted({f"{GRAPH}.outputSizes": [2]}, *flags, manifest=str(pics.parent / "m.yaml"), **options)
    first, second = refused.value.faults
    assert str(first).startswith(f"{GRAPH}.inputSizes: [32, 32, 3] is not allowed: the images of imagefolder:")
    assert "have 10x12 pixels and 3 channels: write inputSizes: [10, 12, 3], or bring them to 32x32 by" in str(first)
    assert str(second).startswith(f"{GRAPH}.outputSizes: [2] is not allowed")
    assert "has 3 classes: write outputSizes: [3]" in str(second)


@pytest.mark.parametrize(
    ("sizes", "flags", "options"),
    [
        ([32, 32, 1], ["--dataset=digits"], {}),
        ([8, 9, 1], ["--dataset=digits", "--image-size=8x9"], {}),
        ([28, 28, 1], ["--dataset=digits"], {"dataset": "fashion-mnist"}),
        ([32, 32, 3], [], {}),
        ([32, 32, 3], ["--dataset=python-docs"], {}),
        ([16, 16, 1], ["--dataset", "digits", "--image-size=32"], {"image_size": "16"}),
    ],
)
def test_what_fits_passes(
    pics: Path,
    fitted: Callable[..., NasConfig],
    sizes: list[int],
    flags: list[str],
    options: dict[str, str],
) -> None:
    manifest = str(pics.parent / "m.yaml")
    assert fitted({f"{GRAPH}.inputSizes": sizes}, *flags, manifest=manifest, **options).input_sizes == tuple(sizes)


def test_sizes_that_are_left_out_are_those_of_the_images(
    pics: Path, fitted: Callable[..., NasConfig], caplog: pytest.LogCaptureFixture
) -> None:
    left_out = {f"{GRAPH}.inputSizes": ..., f"{GRAPH}.outputSizes": ...}
    with caplog.at_level(logging.WARNING):
        found = fitted(left_out, dataset=f"imagefolder:{pics}")
    assert (found.input_sizes, found.output_sizes) == ((10, 12, 3), (3,))
    assert "under spec.nasConfig.graphConfig: inputSizes: [10, 12, 3]; outputSizes: [3]" in caplog.text
    assert fitted(left_out, dataset="digits", is_run=False).input_sizes == (32, 32, 1)
    # A manifest that is only looked at, and names no data, is the service's to refuse.
    assert fitted(left_out, is_run=False).input_sizes == ()
    assert fitted(left_out, "--dataset=digits", is_run=False).input_sizes == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagefolder:nope", "dataset: 'imagefolder:nope' is not allowed: no such folder, neither in {folder} nor in"),
        ("nope", "dataset: 'nope' is not allowed: it must be cifar10"),
    ],
)
def test_images_that_are_not_there_are_said_once_and_at_once(
    pics: Path, fitted: Callable[..., NasConfig], name: str, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        fitted({}, f"--dataset={name}", manifest=str(pics.parent / "m.yaml"))
    assert message.format(folder=pics.parent) in str(refused.value)
    # Whoever only looks at the manifest may have the data on a cluster.
    fitted({}, f"--dataset={name}", is_run=False, manifest=str(pics.parent / "m.yaml"))


def test_arrays_are_asked_for_as_the_trial_would(tmp_path: Path, fitted: Callable[..., NasConfig]) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 3, 20, 21), np.uint8), y=np.arange(6) % 2)
    sizes = {f"{GRAPH}.inputSizes": [20, 21, 3]}
    assert fitted(sizes, "--npz-layout=nchw", dataset=f"npz:{tmp_path}/a.npz").input_sizes == (20, 21, 3)


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "cd x; python3 RunTrial.py --dataset=nope ${trialParameters.arch}${trialParameters.conf}"],
        ["python3", "RunTrial.py", "--dataset=${trialParameters.arch}", "${trialParameters.conf}"],
    ],
)
def test_what_only_a_trial_can_know_is_left_to_it(command: list[str], fitted: Callable[..., NasConfig]) -> None:
    assert fitted({f"{CONTAINER}.command": command}).input_sizes == (32, 32, 3)


@pytest.mark.parametrize("word", ["--dataset=digits", "'--dataset=digits'", "--dataset digits"])
def test_a_program_that_is_not_ours_cannot_be_overruled(
    manifest: Callable[..., Document], program: Callable[[str], Path], word: str
) -> None:
    command = ["sh", "program.sh", "${trialParameters.theValue}", *word.split()]
    document = manifest({f"{CONTAINER}.command": command})
    options = {"images": {"tests/program": str(program(""))}, "suggestion": "h:1"}
    preflight.check(manifests.parse(document), Options(**options, max_images=3))
    with pytest.raises(InvalidExperiment, match=r"--dataset.* it would go before --dataset of the command line"):
        preflight.check(manifests.parse(document), Options(**options, dataset="fake"))


def test_weights_that_no_trial_would_share_are_refused(manifest: Callable[..., Document]) -> None:
    names = ("algorithm-settings", "search-space", "num-layers")
    darts = {
        "spec.algorithm": {"algorithmName": "darts"},
        "spec.objective.objectiveMetricName": "Validation-Accuracy",
        "spec.trialTemplate.trialParameters": [{"name": name, "reference": name} for name in names],
        f"{CONTAINER}.image": "katib-nas/darts-trainer",
        f"{CONTAINER}.command": ["python3", "run_trial.py", *(f"${{trialParameters.{name}}}" for name in names)],
    }
    with pytest.raises(InvalidExperiment, match="trials of ENAS alone share weights"):
        preflight.check(manifests.parse(manifest(darts)), Options(shared_weights="/w"))
