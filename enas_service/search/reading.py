"""What a search reads in trials: lessons of those that have finished, and which architectures are taken."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from enas_service.decisions import Decisions
from enas_service.lessons import Lesson, rewards_of
from enas_service.problem import Problem
from enas_service.spaces.space import ForeignAssignments
from katib_suggestion.experiment import Trial, TrialCondition

logger = logging.getLogger(__name__)


class TrialReader:
    """Reads each trial once, and warns once of one that it cannot read.

    Args:
        name: of the experiment, for the log.
        problem: what is searched.
    """

    def __init__(self, name: str, problem: Problem) -> None:
        self._name = name
        self._space = problem.space
        self._goal = problem.goal
        self._noted: set[str] = set()
        self._warned: set[str] = set()

    def new_lessons(self, trials: Sequence[Trial], lessons: Sequence[Lesson]) -> list[Lesson]:
        """What trials teach that have finished since others did; in an order that is theirs, whatever the request's.

        Args:
            trials: every trial so far.
            lessons: those learned before.
        """
        known = {lesson.trial for lesson in lessons}
        finished = sorted(
            (one for one in trials if one.is_finished and one.name not in known), key=lambda one: one.name
        )
        rewards = [reward for trial in finished if (reward := trial.reward(self._goal.objective)) is not None]
        worst = min([*rewards_of(lessons), *rewards], default=None)
        return [lesson for trial in finished if (lesson := self._lesson(trial, worst)) is not None]

    def new_keys(self, trials: Sequence[Trial]) -> Iterator[bytes]:
        """Keys of what runs or ran and was not seen before; trials may come from elsewhere than our proposals."""
        for trial in trials:
            if trial.name not in self._noted:
                self._noted.add(trial.name)
                with suppress(ForeignAssignments):
                    yield self._key(trial)

    def waiting_nd(self, trials: Sequence[Trial], lessons: Sequence[Lesson]) -> Decisions:
        """Trials (N, D) that run, or ended without a result, in the order of their names.

        Args:
            trials: every trial so far.
            lessons: one at least.
        """
        known, waiting = {lesson.trial for lesson in lessons}, []
        for trial in sorted(trials, key=lambda one: one.name):
            if trial.name not in known:
                with suppress(ForeignAssignments):
                    waiting.append(self._space.of_key(self._key(trial)))
        return np.stack(waiting) if waiting else np.stack([lesson.decisions for lesson in lessons])[:0]

    def is_of(self, trial: Trial, lesson: Lesson) -> bool:
        """Whether a lesson was of this trial, and not of one that had its name."""
        with suppress(ForeignAssignments):
            return self._key(trial) == self._space.key(lesson.decisions)
        return False

    def _lesson(self, trial: Trial, worst: float | None) -> Lesson | None:
        """What a finished trial teaches; None, with one warning, where it cannot be read.

        One that was stopped early did worse than others, whether or not its metric has come: without it, it is taken
        for as bad as the worst.
        """
        reward = trial.reward(self._goal.objective)
        if reward is None and trial.condition is TrialCondition.EARLY_STOPPED:
            if worst is None:
                return None  # until there is one to compare with
            reward = worst
        if reward is None:
            metric = self._goal.objective.metric
            self._warn(trial, f"its {metric} is {trial.metrics.get(metric)!r:.100}, not a finite number")
            return None
        try:
            lesson = Lesson(trial.name, self._space.of_key(self._key(trial)), reward, self._goal.costs_of(trial))
        except ForeignAssignments as error:
            self._warn(trial, str(error))
            return None
        if missing := [name for name in self._goal.costs if name not in lesson.costs]:
            names = ", ".join(missing)
            logger.warning("%s: trial %s has no %s: nothing of that is learned from it", self._name, trial.name, names)
        return lesson

    def _key(self, trial: Trial) -> bytes:
        return self._space.key(self._space.read(trial.assignments))

    def _warn(self, trial: Trial, reason: str) -> None:
        if trial.name not in self._warned:
            self._warned.add(trial.name)
            logger.warning("%s: trial %s teaches nothing: %s", self._name, trial.name, reason)
