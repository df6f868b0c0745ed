"""The database of a run."""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from katib_local.errors import RunFolderError
from katib_local.record.collector import NO_TIME, Point
from katib_local.record.options import Options
from katib_local.record.stop_rules import Comparison, StopRule
from katib_local.record.store import Store
from katib_local.record.trials import Trial, Verdict
from katib_suggestion.experiment import TrialCondition

NOW = datetime(2024, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
Make = Callable[..., dict[str, Any]]

CREATED = Trial(
    name="t-1", number=1, condition=TrialCondition.CREATED, assignments={"b": "['x']", "a": "1"}, labels={"l": "m"}
)
SUCCEEDED = replace(
    CREATED,
    condition=TrialCondition.SUCCEEDED,
    reason="why",
    started=NOW,
    finished=NOW,
    exit_code=0,
    observation={"score": "0.50"},
)
RULE = StopRule(metric="score", value=0.1, comparison=Comparison.GREATER, start_step=4)
POINTS = [Point(metric="score", value="0.5", time=NO_TIME), Point(metric="score", value="0.50", time=NOW)]


def test_everything_comes_back_from_the_file(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    options = Options(dataset="digits", images={"i": str(tmp_path)}, seed=3)
    with contextlib.closing(Store.create(path, "mini", manifest(), options, NOW)) as store:
        store.add([CREATED, replace(CREATED, name="t-2", number=2, rules=(RULE,))], {"rung": "1"})
        store.update(SUCCEEDED, POINTS)
    with contextlib.closing(Store.open(path)) as store:
        assert store.trials() == [SUCCEEDED, replace(CREATED, name="t-2", number=2, rules=(RULE,))]
        assert list(store.trials()[0].assignments) == ["b", "a"]
        assert store.points("t-1") == POINTS
        assert store.points("t-2") == []
        assert store.reply_settings == {"rung": "1"}
        assert store.options == options


def test_a_run_of_the_version_before_is_shown_and_goes_on(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    with contextlib.closing(Store.create(path, "mini", manifest(), Options(), NOW)) as store:
        store.add([CREATED], {})
        store.update(SUCCEEDED, POINTS)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE before (
                name TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, condition TEXT NOT NULL,
                assignments TEXT NOT NULL, labels TEXT NOT NULL, reason TEXT NOT NULL, started TEXT, finished TEXT,
                exit_code INTEGER, observation TEXT
            ) STRICT;
            INSERT INTO before SELECT name, number, condition, assignments, labels, reason, started, finished,
                exit_code, observation FROM trials;
            DROP TABLE trials;
            ALTER TABLE before RENAME TO trials;
            PRAGMA user_version = 2;
            """
        )
    with Store.reading(path) as store:
        assert store.trials() == [SUCCEEDED]
    with contextlib.closing(Store.open(path)) as store:
        store.add([replace(CREATED, name="t-2", number=2, rules=(RULE,))], {})
    with contextlib.closing(Store.open(path)) as store:
        assert store.trials() == [SUCCEEDED, replace(CREATED, name="t-2", number=2, rules=(RULE,))]
        assert store.points("t-1") == POINTS


def test_points_take_the_place_of_earlier_ones(manifest: Make, tmp_path: Path) -> None:
    with contextlib.closing(Store.create(tmp_path / "experiment.db", "mini", manifest(), Options(), NOW)) as store:
        store.add([CREATED], {})
        store.update(SUCCEEDED, POINTS)
        store.update(SUCCEEDED, POINTS[:1])
        assert store.points("t-1") == POINTS[:1]


def test_a_name_that_stands_already_changes_nothing(manifest: Make, tmp_path: Path) -> None:
    with contextlib.closing(Store.create(tmp_path / "experiment.db", "mini", manifest(), Options(), NOW)) as store:
        store.add([CREATED], {})
        with pytest.raises(sqlite3.IntegrityError):
            store.add([replace(CREATED, name="t-2", number=2), CREATED], {"rung": "1"})
        assert store.trials() == [CREATED]
        assert store.reply_settings == {}


def test_the_verdict_is_in_the_file(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    with contextlib.closing(Store.create(path, "mini", manifest(), Options(), NOW)) as store:
        store.set_verdict(Verdict.GOAL_REACHED)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT verdict FROM experiment").fetchone() == ("GOAL_REACHED",)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"spec.objective.type": "minimize"}, "spec.objective.type"),
        ({"spec.objective.goal": 0.5}, "spec.objective.goal"),
        ({"spec.nasConfig.operations.0.operationType": "none"}, "spec.nasConfig.operations[0].operationType"),
        ({"spec.nasConfig.graphConfig.inputSizes": [4, 4]}, "spec.nasConfig.graphConfig.inputSizes"),
        ({"metadata.name": "other"}, "metadata.name"),
    ],
)
def test_where_another_manifest_differs(manifest: Make, tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    path = tmp_path / "experiment.db"
    Store.create(path, "mini", manifest(), Options(), NOW).close()
    with contextlib.closing(Store.open(path)) as store:
        assert store.difference(manifest(changes)) == place
        assert store.difference(manifest()) is None


def test_a_run_that_begins_anew_has_no_trials_and_another_manifest(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    other = manifest({"spec.objective.goal": 0.5})
    with contextlib.closing(Store.create(path, "mini", manifest(), Options(seed=3), NOW)) as store:
        store.add([CREATED], {"rung": "1"})
        store.update(SUCCEEDED, POINTS)
        store.set_verdict(Verdict.TOO_MANY_FAILED)
        store.begin_anew(other)
    with contextlib.closing(Store.open(path)) as store:
        assert (store.trials(), store.all_points(), store.reply_settings, store.verdict) == ([], {}, {}, None)
        assert (store.manifest, store.options) == (other, Options(seed=3))


def open_files() -> set[str]:
    """The files that this process holds open."""
    return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def test_what_katib_lets_users_edit_may_change(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    Store.create(path, "mini", manifest(), Options(), NOW).close()
    changes = {"spec.maxTrialCount": 9, "spec.parallelTrialCount": 3, "spec.maxFailedTrialCount": ...}
    with contextlib.closing(Store.open(path)) as store:
        assert store.difference(manifest(changes)) is None


def test_a_file_that_is_no_database_is_refused(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(RunFolderError, match="cannot be read"):
        Store.open(path)
    assert str(path) not in open_files()


def test_a_database_of_another_version_is_refused(manifest: Make, tmp_path: Path) -> None:
    path = tmp_path / "experiment.db"
    Store.create(path, "mini", manifest(), Options(), NOW).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RunFolderError, match="version 99"):
        Store.open(path)
