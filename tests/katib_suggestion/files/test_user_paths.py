"""Home folders in paths, wherever they are read."""

import re
from pathlib import Path

import pytest

from darts_genotype import loading
from katib_local.manifest import manifest
from katib_local.record.dataset_paths import located
from katib_local.record.options import image_target
from katib_suggestion.files.user_paths import user_path

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("text", "path"),
    [("~", ""), ("~/data", "data"), ("~/data/a b.npz", "data/a b.npz")],
)
def test_home_is_put_in_at_the_start(text: str, path: str, home: Path) -> None:
    assert user_path(text) == home / path


@pytest.mark.parametrize("text", ["data", "a~b", "./~", "/x/~/y", "~nobody-of-that-name/x"])
def test_elsewhere_a_tilde_is_a_letter(text: str, home: Path) -> None:
    assert user_path(text) == Path(text)


def test_without_a_home_the_path_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    assert user_path("~/x") == Path("~/x")


def test_texts_that_hold_a_path_are_read_alike(home: Path) -> None:
    (home / "data" / "a.npz").touch()
    assert located("npz:~/data/a.npz, ~/none.npz", None) == f"npz:{home}/data/a.npz,{home}/none.npz"
    assert located("imagefolder:~/data", None) == f"imagefolder:{home}/data"
    assert image_target("~/data") == str(home / "data")
    (home / "m.yaml").touch()
    assert manifest.find("~/m.yaml") == home / "m.yaml"
    genotype = "Genotype(normal=[[('skip_connection',0),('skip_connection',1)]],normal_concat=range(2,3),reduce=[],"
    (home / "g.txt").write_text(f"{genotype}reduce_concat=range(2,3))")
    assert loading.load("~/g.txt").num_nodes == 1


def test_no_command_line_reads_a_path_otherwise() -> None:
    packages = ("katib_suggestion", "katib_local", "katib_cluster", "darts_*", "enas_*", "trial_runtime")
    files = [file for package in packages for file in ROOT.glob(f"{package}/**/*.py")]
    assert len(files) > 100
    assert [file.name for file in files if re.search(r"type=Path\b|add\(\"--[\w-]+\", Path\b", file.read_text())] == []
