"""Searches on disk: one folder an experiment, written so that a kill at any instant leaves the last good one.

A checkpoint is one of TensorFlow's: the policy, the optimiser, and everything else a search knows as one text of JSON
beside them. It is written into a folder under a temporary name, which is then renamed to its number; the one before it
goes only after that.
"""

import base64
import csv
import dataclasses
import hashlib
import io
import json
import logging
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from enas_service.decisions import Decisions
from enas_service.lessons import Lesson
from enas_service.model.importance import Importance
from enas_service.policies.policy_gradient import Step
from enas_service.problem import Problem
from enas_service.search.memory import Memory, Status
from enas_service.search.search import Search
from enas_service.spaces.space import Space
from katib_suggestion.files import durable_files

logger = logging.getLogger(__name__)

MAX_FOLDERS = 100
"""Experiments whose files are kept; the least recently used go first."""

HISTORY = "history.csv"
"""For those who watch: how the search went on, a row each time that it had learned."""

IMPORTANCE = "importance.csv"
"""The same: what each decision matters, and what is expected of each of its values."""

_KEPT = 2
_WRITING = "writing"
_PREFIX = "state"
_STATE = "state/.ATTRIBUTES/VARIABLE_VALUE"
"""Where TensorFlow's format puts the variable named state."""

_DAMAGE = (tf.errors.OpError, OSError, ValueError, KeyError, TypeError, IndexError, AssertionError)
"""What reading a file that is truncated, empty, garbage or of another program can raise."""


class CheckpointStore:
    """The searches under a folder.

    Args:
        folder: is made if it is missing.
        is_ours: tells whether the folder may be used, or else another process writes it; asked each time.
    """

    def __init__(self, folder: Path, is_ours: Callable[[], bool] = lambda: True) -> None:
        self._folder = folder
        self._is_ours = is_ours
        self._used: dict[Path, None] = {}
        self._naming = threading.Lock()

    def save(self, name: str, search: Search) -> None:
        """Write a search; what cannot be written is a warning, and the search goes on in memory."""
        if not self._is_ours():
            logger.warning("%s: another process uses the folder; its state is kept in memory only", name)
            return
        folder = self._of(name)
        try:
            self._use(folder)
            self._write(folder, search)
        except (tf.errors.OpError, OSError) as error:
            logger.warning("%s: its state could not be saved and is kept in memory only: %s", name, _line(error))

    def tell(self, name: str, search: Search) -> None:
        """Write the tables for those who watch, beside the checkpoints; a search that has no folder has none."""
        if not self._is_ours():
            return
        folder = self._of(name)
        try:
            if not folder.is_dir():
                return
            for file, text in ((HISTORY, _history(search.memory.history)), (IMPORTANCE, _importance(search.learned))):
                durable_files.write(folder / file, text.encode())
        except OSError as error:
            logger.warning("%s: %s could not be written: %s", name, folder, _line(error))

    def load(self, name: str, problem: Problem) -> Search | None:
        """Read a search back; None where there is none for this problem.

        Damaged files are moved aside, and a folder that cannot be read is left alone, both with a warning.
        """
        if not self._is_ours():
            return None
        try:
            return self._read(name, problem)
        except OSError as error:
            logger.warning("%s: its state could not be read: %s", name, _line(error))
            return None

    def discard(self, name: str) -> None:
        """Forget a search's files, all of them or none: what is left of some would be taken for an earlier state."""
        if not self._is_ours():
            return
        folder = self._of(name)
        going = folder.with_name(f"{folder.name}.discarded")
        shutil.rmtree(going, ignore_errors=True)
        try:
            folder.replace(going)
            durable_files.synchronise_folder(going.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("%s: %s could not be let go of: %s", name, folder, _line(error))
        shutil.rmtree(going, ignore_errors=True)

    def _read(self, name: str, problem: Problem) -> Search | None:
        folder = self._of(name)
        for checkpoint in reversed(_checkpoints(folder)):
            try:
                return _restored(name, problem, checkpoint)
            except AnotherProblem as error:
                logger.warning("%s: %s: starting afresh", name, error)
                self.discard(name)
                return None
            except _DAMAGE as error:
                logger.warning("%s: %s cannot be read: %s", name, checkpoint, _line(error))
        if folder.exists() and any(folder.iterdir()):
            self._move_aside(folder)
        return None

    def _write(self, folder: Path, search: Search) -> None:
        earlier = _checkpoints(folder)
        target = folder / str(int(earlier[-1].name) + 1 if earlier else 1)
        writing = folder / _WRITING
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir()
        state = tf.Variable(json.dumps(_written(search)), dtype=tf.string)
        _checkpoint(search, state).write(str(writing / _PREFIX))
        durable_files.publish(writing, target)
        for old in earlier[: 1 - _KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def _of(self, name: str) -> Path:
        # A name is the caller's text: only what is harmless of it becomes part of a path.
        readable = re.sub(r"[^a-z0-9-]", "-", name.lower())[:50]
        return self._folder / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def _move_aside(self, folder: Path) -> None:
        target = folder.with_name(f"{folder.name}.damaged")
        try:
            shutil.rmtree(target, ignore_errors=True)
            durable_files.publish(folder, target)
            logger.warning("%s has no readable checkpoint: moved to %s", folder, target)
        except OSError as error:
            logger.warning("%s has no readable checkpoint and cannot be moved: %s", folder, _line(error))

    def _use(self, folder: Path) -> None:
        """Make a folder if it is missing, and room for it; what this process has used is the last to go."""
        with self._naming:
            self._used.pop(folder, None)
            self._used[folder] = None
            for old in list(self._used)[:-MAX_FOLDERS]:
                del self._used[old]
            if folder.exists():
                return
            durable_files.make_folder(folder)
            # Times tell only of what was used before: after the clock was set back, they would let go of the newest.
            times = {one: one.stat().st_mtime for one in self._folder.iterdir() if one.is_dir()}
            in_use = list(self._used)
            folders = sorted(times, key=lambda one: (in_use.index(one) if one in in_use else -1, times[one]))
            for old in folders[:-MAX_FOLDERS]:
                shutil.rmtree(old, ignore_errors=True)


class AnotherProblem(Exception):
    """A checkpoint is of another search space, settings or objective."""


def _checkpoint(search: Search, state: tf.Variable) -> tf.train.Checkpoint:
    variables = [*search.policy.weights, *search.policy_gradient.variables]
    return tf.train.Checkpoint(variables=[variable.value for variable in variables], state=state)


def _restored(name: str, problem: Problem, checkpoint: Path) -> Search:
    path = str(checkpoint / _PREFIX)
    state = json.loads(tf.train.load_checkpoint(path).get_tensor(_STATE))
    if state["fingerprint"] != problem.fingerprint:
        raise AnotherProblem("another search space, other settings or another objective")
    if is_of_0_1_0 := "num_trained" not in state:
        logger.info("%s: its state is of 0.1.0: the model learns anew from its %d trials", name, len(state["lessons"]))
    search = Search(name, problem, seed=0)
    _checkpoint(search, tf.Variable("", dtype=tf.string)).read(path).assert_consumed()
    search.random.bit_generator.state = state["random"]
    space = problem.space
    search.memory = Memory(
        lessons=[
            Lesson(one["trial"], _decoded(space, one["decisions"]), one["reward"], one.get("costs", {}))
            for one in state["lessons"]
        ],
        taken={space.key(_decoded(space, one)) for one in state["taken"]},
        replies={key: [_decoded(space, one) for one in reply] for key, reply in state["replies"].items()},
        history=[Status(one["num_trials"], one["best"], Step(**one["step"])) for one in state["history"]],
        # It trained the policy before it replied.
        num_trained=len(state["lessons"]) if is_of_0_1_0 else state["num_trained"],
    )
    search.tell()
    return search


def _written(search: Search) -> dict[str, Any]:
    memory, space = search.memory, search.problem.space
    return {
        "fingerprint": search.problem.fingerprint,
        "random": search.random.bit_generator.state,
        "lessons": [
            {"trial": one.trial, "decisions": _text(space.key(one.decisions)), "reward": one.reward, "costs": one.costs}
            for one in memory.lessons
        ],
        "taken": [_text(one) for one in sorted(memory.taken)],
        "replies": {key: [_text(space.key(one)) for one in reply] for key, reply in memory.replies.items()},
        "num_trained": memory.num_trained,
        "history": [dataclasses.asdict(one) for one in memory.history],
    }


def _history(history: Sequence[Status]) -> str:
    rows = []
    for status in history:
        assert status.step is not None
        rows.append([status.num_trials, status.best, *dataclasses.astuple(status.step)])
    return _table(["num_trials", "best", *(field.name for field in dataclasses.fields(Step))], rows)


def _importance(found: Sequence[Importance]) -> str:
    rows = [
        [one.name, one.kind, f"{one.share:.6g}", value, f"{expected:.6g}"]
        for one in found
        for value, expected in one.values
    ]
    return _table(["name", "kind", "importance", "value", "expected"], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _decoded(space: Space, text: str) -> Decisions:
    return space.of_key(base64.b64decode(text, validate=True))


def _checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted((one for one in folder.glob("*") if one.name.isdecimal()), key=lambda one: int(one.name))


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
