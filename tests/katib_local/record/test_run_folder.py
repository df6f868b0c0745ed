"""Where runs are, and who may write them."""

from datetime import datetime
from pathlib import Path

import pytest

from katib_local.errors import RunFolderError
from katib_local.record import run_folder

NOW = datetime(2024, 1, 2, 3, 4, 5)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def with_database(path: str) -> Path:
    folder = Path(path)
    folder.mkdir(parents=True)
    (folder / "experiment.db").touch()
    return folder.absolute()


def test_a_folder_is_named_after_experiment_and_time(tmp_path: Path) -> None:
    assert run_folder.create(None, "mini", NOW).path == tmp_path / "runs" / "mini-20240102-030405"
    assert run_folder.create(None, "mini", NOW).path == tmp_path / "runs" / "mini-20240102-030405-2"


def test_an_empty_folder_may_be_named() -> None:
    Path("mine").mkdir()
    assert run_folder.create(Path("mine"), "mini", NOW).path == Path("mine").absolute()


def test_a_folder_that_holds_something_is_refused() -> None:
    Path("mine").mkdir()
    Path("mine/file").touch()
    with pytest.raises(RunFolderError, match="mine is not empty"):
        run_folder.create(Path("mine"), "mini", NOW)
    with_database("run")
    with pytest.raises(RunFolderError, match="holds a run already; --resume"):
        run_folder.create(Path("run"), "mini", NOW)
    with pytest.raises(RunFolderError, match="cannot be used"):
        run_folder.create(Path("mine/file"), "mini", NOW)


@pytest.mark.parametrize("is_there", [True, False])
def test_only_what_a_run_has_made_is_discarded(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "mine" if is_there else tmp_path).mkdir(exist_ok=True)
    folder = run_folder.create(Path("mine"), "mini", NOW)
    folder.database.touch()
    folder.trial("t-1").mkdir(parents=True)
    run_folder.discard(folder)
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"] * is_there


def test_the_newest_run_of_the_experiment_is_found() -> None:
    with_database("runs/mini-20240101-000000")
    newest = with_database("runs/mini-20240102-000000")
    Path("runs/mini-20240103-000000").mkdir()
    with_database("runs/mini-digits-20240104-000000")
    assert run_folder.find(None, "mini").path == newest


def test_where_there_is_no_run_nothing_is_found() -> None:
    with pytest.raises(RunFolderError, match="no run of mini"):
        run_folder.find(None, "mini")
    with pytest.raises(RunFolderError, match="nowhere holds no run"):
        run_folder.find(Path("nowhere"), "mini")


def test_one_writer_at_a_time() -> None:
    folder = run_folder.create(None, "mini", NOW)
    with run_folder.locked(folder), pytest.raises(RunFolderError, match="in use"), run_folder.locked(folder):
        pass
    with run_folder.locked(folder):
        pass
