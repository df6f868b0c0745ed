"""Everything about a run, in one SQLite file.

Every change is one transaction: what the file says is true even when the runner is killed in the middle.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from katib_local.errors import RunFolderError
from katib_local.manifest.document import Document
from katib_local.manifest.manifest import EDITABLE
from katib_local.record import stop_rules, versions
from katib_local.record.collector import NO_TIME, Point
from katib_local.record.options import Options
from katib_local.record.trials import Trial, Verdict
from katib_suggestion.errors import shown
from katib_suggestion.experiment import TrialCondition
from katib_suggestion.files import durable_files

_SCHEMA_VERSION = 3
_READABLE = (2, _SCHEMA_VERSION)
"""A run of version 2 has trials without rules, and is brought up to date when it goes on."""

_SCHEMA = """
CREATE TABLE experiment (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    manifest TEXT NOT NULL,          -- the manifest as JSON
    options TEXT NOT NULL,           -- the command line's options as JSON
    reply_settings TEXT NOT NULL,    -- algorithm settings that the service has returned, as JSON
    versions TEXT NOT NULL,          -- of what the run was started with, names and versions as JSON
    created TEXT NOT NULL,
    verdict TEXT                     -- how it ended; NULL while it runs, or when it was interrupted
) STRICT;
CREATE TABLE trials (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    condition TEXT NOT NULL,
    assignments TEXT NOT NULL,       -- names and values as JSON
    labels TEXT NOT NULL,            -- as JSON
    reason TEXT NOT NULL,
    started TEXT,
    finished TEXT,
    exit_code INTEGER,
    observation TEXT,                -- one reduced value a metric, as JSON
    rules TEXT NOT NULL DEFAULT '[]' -- by which it is stopped early, as JSON
) STRICT;
CREATE TABLE observations (
    trial TEXT NOT NULL REFERENCES trials (name),
    metric TEXT NOT NULL,
    value TEXT NOT NULL,
    time TEXT                        -- NULL where the line had none
) STRICT;
"""


_DAMAGES = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What comes of reading values that no runner has written."""


class Store:
    """A run's database; use it from one thread, with the folder locked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, path: Path, name: str, manifest: Document, options: Options, now: datetime) -> "Store":
        """Make the database of a new experiment; the file is there once it is whole."""
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        draft.with_name(f"{draft.name}-journal").unlink(missing_ok=True)
        store = cls(_to_be_written(_connect(draft)))
        with store._connection as connection:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION};")
            connection.execute(
                "INSERT INTO experiment VALUES (1, ?, ?, ?, '{}', ?, ?, NULL)",
                (name, json.dumps(manifest), options.to_json(), json.dumps(versions.installed()), now.isoformat()),
            )
        store.close()
        durable_files.publish(draft, path)
        return cls(_to_be_written(_connect(path)))

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open the database of a run that is to go on.

        Raises:
            RunFolderError: it is of another version, or broken.
        """
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(contextlib.closing(cls(_connect(path))))
            store._check_version(path)
            _to_be_written(store._connection)
            store._bring_up_to_date()
            stack.pop_all()
        return store

    @classmethod
    @contextlib.contextmanager
    def reading(cls, path: Path) -> Iterator["Store"]:
        """Open a database to look at, beside a runner that may be writing it, and close it in the end.

        Raises:
            RunFolderError: it is of another version, is broken, or says what no runner writes, which may show only
                where a value is read.
        """
        try:
            store = cls(_connect(f"{path.absolute().as_uri()}?mode=ro"))
        except sqlite3.OperationalError as error:
            raise RunFolderError(f"{path} cannot be read: {error}") from error
        with contextlib.closing(store):
            store._check_version(path)
            try:
                yield store
            except (sqlite3.Error, *_DAMAGES) as error:
                raise RunFolderError(f"{path} cannot be read: {type(error).__name__}: {error}") from error

    def _check_version(self, path: Path) -> None:
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise RunFolderError(f"{path} cannot be read: {error}") from error
        if version not in _READABLE:
            readable = " and ".join(map(str, _READABLE))
            raise RunFolderError(f"{path} is of version {version}; this katib-nas reads {readable}")

    def _bring_up_to_date(self) -> None:
        with self._connection as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == _SCHEMA_VERSION:
                return
            connection.executescript(
                "BEGIN; ALTER TABLE trials ADD COLUMN rules TEXT NOT NULL DEFAULT '[]'; "
                f"PRAGMA user_version = {_SCHEMA_VERSION};"
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def manifest(self) -> Document:
        """The manifest that the run was started with."""
        manifest: Document = json.loads(self._value("manifest"))
        return manifest

    def difference(self, manifest: Document) -> str | None:
        """Name the first place where a manifest differs from that of the run, in what may not change during one."""
        return _difference(_fixed(self.manifest), _fixed(manifest))

    def begin_anew(self, manifest: Document) -> None:
        """Forget every trial, and take another manifest."""
        with self._connection as connection:
            connection.execute("DELETE FROM observations")
            connection.execute("DELETE FROM trials")
            connection.execute(
                "UPDATE experiment SET manifest = ?, reply_settings = '{}', verdict = NULL", (json.dumps(manifest),)
            )

    @property
    def created(self) -> datetime:
        """When the run was started, in local time."""
        return datetime.fromisoformat(self._value("created")).replace(tzinfo=None)

    @property
    def versions(self) -> dict[str, str]:
        """What the run was started with; see `versions.installed`."""
        return _texts(self._value("versions"))

    @property
    def verdict(self) -> Verdict | None:
        """How the experiment ended; None where it goes on, or was interrupted."""
        name = self._value("verdict")
        return None if name is None else Verdict[name]

    @property
    def options(self) -> Options:
        """The options that the run was started with, or has gone on with since."""
        return Options.from_json(self._value("options"))

    def set_options(self, options: Options) -> None:
        """Record the options that the run goes on with."""
        with self._connection as connection:
            connection.execute("UPDATE experiment SET options = ?", (options.to_json(),))

    @property
    def reply_settings(self) -> dict[str, str]:
        """Algorithm settings that the service has returned so far."""
        return _texts(self._value("reply_settings"))

    def trials(self) -> list[Trial]:
        """Every trial, in the order of the suggestions."""
        rows = self._connection.execute("SELECT * FROM trials ORDER BY number")
        return [_trial(row) for row in rows]

    def outcomes(self) -> list[Trial]:
        """The same without what they were given, which is most of what is kept of a trial."""
        rows = self._connection.execute(
            "SELECT name, number, condition, '{}' AS assignments, '{}' AS labels, reason, started, finished, "
            "exit_code, observation FROM trials ORDER BY number"
        )
        return [_trial(row) for row in rows]

    def points(self, trial: str) -> list[Point]:
        """Every metric value that a trial has reported, in order."""
        rows = self._connection.execute("SELECT * FROM observations WHERE trial = ? ORDER BY rowid", (trial,))
        return [_point(row) for row in rows]

    def all_points(self) -> dict[str, list[Point]]:
        """The same of every trial that has reported any, by its name."""
        found: dict[str, list[Point]] = {}
        for row in self._connection.execute("SELECT * FROM observations ORDER BY rowid"):
            found.setdefault(row["trial"], []).append(_point(row))
        return found

    def add(self, trials: Sequence[Trial], reply_settings: Mapping[str, str]) -> None:
        """Record new trials, and the settings that came with them."""
        with self._connection as connection:
            connection.executemany(
                "INSERT INTO trials VALUES (:name, :number, :condition, :assignments, :labels, :reason, :started, "
                ":finished, :exit_code, :observation, :rules)",
                [_row(trial) for trial in trials],
            )
            connection.execute("UPDATE experiment SET reply_settings = ?", (json.dumps(dict(reply_settings)),))

    def update(self, trial: Trial, points: Sequence[Point] = ()) -> None:
        """Record where a trial stands now; its points take the place of earlier ones."""
        with self._connection as connection:
            connection.execute(
                "UPDATE trials SET condition = :condition, reason = :reason, started = :started, finished = :finished, "
                "exit_code = :exit_code, observation = :observation WHERE name = :name",
                _row(trial),
            )
            connection.execute("DELETE FROM observations WHERE trial = ?", (trial.name,))
            connection.executemany(
                "INSERT INTO observations VALUES (?, ?, ?, ?)",
                [
                    (trial.name, point.metric, point.value, None if point.time == NO_TIME else point.time.isoformat())
                    for point in points
                ],
            )

    def set_verdict(self, verdict: Verdict | None) -> None:
        """Record how the experiment ended; None where it goes on."""
        with self._connection as connection:
            connection.execute("UPDATE experiment SET verdict = ?", (verdict.name if verdict else None,))

    def _value(self, column: str) -> Any:
        row = self._connection.execute("SELECT * FROM experiment").fetchone()
        if row is None:
            raise sqlite3.DatabaseError("the table experiment is empty")
        return row[column]


def _connect(place: Path | str) -> sqlite3.Connection:
    """Open a file by its path or its address."""
    connection = sqlite3.connect(place, uri=isinstance(place, str))
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _to_be_written(connection: sqlite3.Connection) -> sqlite3.Connection:
    # Otherwise a loss of power may bring back the journal of the last transaction, which would undo it.
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection


def _point(row: sqlite3.Row) -> Point:
    return Point(
        metric=row["metric"],
        value=row["value"],
        time=_moment(row["time"]) or NO_TIME,
    )


def _row(trial: Trial) -> dict[str, object]:
    return {
        "name": trial.name,
        "number": trial.number,
        "condition": trial.condition.value,
        "assignments": json.dumps(dict(trial.assignments)),
        "labels": json.dumps(dict(trial.labels)),
        "reason": trial.reason,
        "started": trial.started.isoformat() if trial.started else None,
        "finished": trial.finished.isoformat() if trial.finished else None,
        "exit_code": trial.exit_code,
        "observation": None if trial.observation is None else json.dumps(dict(trial.observation)),
        "rules": stop_rules.to_json(trial.rules),
    }


def _trial(row: sqlite3.Row) -> Trial:
    return Trial(
        name=row["name"],
        number=row["number"],
        condition=TrialCondition(row["condition"]),
        assignments=_texts(row["assignments"]),
        labels=_texts(row["labels"]),
        reason=row["reason"],
        started=_moment(row["started"]),
        finished=_moment(row["finished"]),
        exit_code=row["exit_code"],
        observation=_texts(row["observation"]) if row["observation"] else None,
        rules=stop_rules.from_json(row["rules"]) if "rules" in row.keys() else (),  # noqa: SIM118 - a row's `in` asks for values
    )


def _texts(text: str) -> dict[str, str]:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise TypeError(f"it must be an object of texts: {shown(text)}")
    return found


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def _fixed(manifest: Document) -> Document:
    """What of a manifest may not change during a run; a cluster writes its own into the metadata."""
    spec = {key: value for key, value in manifest["spec"].items() if key not in EDITABLE}
    metadata = {key: value for key, value in manifest["metadata"].items() if key in ("name", "namespace")}
    others = {key: value for key, value in manifest.items() if key != "status"}
    return {**others, "metadata": metadata, "spec": spec}


def _difference(before: object, now: object, path: str = "") -> str | None:
    """Name the first place where two documents differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{path}.{key}".lstrip(".")
            if (key in before) != (key in now):
                return inner
            found = _difference(before[key], now[key], inner)
            if found:
                return found
        return None
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            found = _difference(one, other, f"{path}[{index}]")
            if found:
                return found
        return None
    return None if before == now else path or "manifest"
