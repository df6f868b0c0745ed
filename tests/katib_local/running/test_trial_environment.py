"""What decides a trial's data and its seed, and which of two goes first."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from katib_local.manifest.template import Container
from katib_local.record.options import Options
from katib_local.running import trial_environment


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder of pictures, as that of the manifest and that of the data have one."""
    for name in ("here/pics", "manifest/pics", "cache/katib-nas/cached"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def of_data(options: Options, **variables: str) -> Mapping[str, str]:
    return trial_environment.of_data(Container(image="i", argv=("sh", "-c", "x"), environment=variables), options)


@pytest.mark.parametrize("name", ["imagefolder:pics", "npz:pics", "text:pics"])
def test_a_relative_dataset_of_the_users_is_in_the_working_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind = name.partition(":")[0]
    monkeypatch.setenv("KATIB_NAS_DATASET", name)
    monkeypatch.setenv("KATIB_NAS_DATA_DIR", "pics")
    variables = of_data(Options(manifest=str(here / "manifest/m.yaml")))
    assert variables["KATIB_NAS_DATASET"] == f"{kind}:{here}/here/pics"
    assert variables["KATIB_NAS_DATA_DIR"] == f"{here}/here/pics"
    monkeypatch.delenv("KATIB_NAS_DATA_DIR")
    monkeypatch.setenv("KATIB_NAS_DATASET", f"{kind}:cached")
    assert of_data(Options())["KATIB_NAS_DATASET"] == f"{kind}:{here}/cache/katib-nas/cached"


def test_a_relative_dataset_of_a_manifests_variable_is_in_the_manifests_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(manifest=str(here / "manifest/m.yaml"))
    # The container's variable goes before the user's, the command line before both.
    monkeypatch.setenv("KATIB_NAS_DATASET", "svhn")
    variables = of_data(options, KATIB_NAS_DATASET="imagefolder:pics", KATIB_NAS_DATA_DIR="data")
    assert variables["KATIB_NAS_DATASET"] == f"imagefolder:{here}/manifest/pics"
    assert variables["KATIB_NAS_DATA_DIR"] == f"{here}/manifest/data"
    assert variables["KATIB_NAS_MANIFEST_DIR"] == f"{here}/manifest"
    options = Options(manifest=str(here / "manifest/m.yaml"), dataset="digits")
    assert of_data(options, KATIB_NAS_DATASET="imagefolder:pics")["KATIB_NAS_DATASET"] == "digits"


def test_the_seed_of_a_trial_is_that_of_its_assignments() -> None:
    assignments = {"architecture": "[[0]]", "nn_config": "{}"}
    seed = trial_environment.seed_of(7, assignments)
    assert 0 <= seed < 2**31
    assert seed == trial_environment.seed_of(7, dict(reversed(assignments.items())))
    others = {
        trial_environment.seed_of(8, assignments),
        trial_environment.seed_of(7, {**assignments, "architecture": "[[1]]"}),
        trial_environment.seed_of(7, {}),
    }
    assert len(others | {seed}) == 4
