"""One experiment's search: what its trials taught, and the next proposals."""

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from enas_service.decisions import Decisions
from enas_service.limits import DEFAULT
from enas_service.policies.policy_gradient import PolicyGradient, Step
from enas_service.predictor import MIN_TRIALS, Encoding, Predictor
from enas_service.problem import Problem
from enas_service.proposals import NUM_BEST, NUM_CANDIDATES, propose
from enas_service.scores import Floats, advantages, ranked
from enas_service.spaces.space import ForeignAssignments
from katib_suggestion.experiment import Trial, TrialCondition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A finished trial that was learned from."""

    trial: str
    decisions: Decisions
    """(D,), as read back from their key."""
    reward: float


@dataclass(frozen=True, slots=True)
class Status:
    """How far a search has come."""

    num_trials: int = 0
    """Trials that it has learned from."""
    best: float | None = None
    """The best objective among them; None before the first."""
    step: Step | None = None
    """The latest gradient step; None before the first."""


@dataclass(slots=True)
class Memory:
    """What a search knows beside its policy; all of it goes into a checkpoint."""

    lessons: list[Lesson] = field(default_factory=list)
    """In the order in which they were learned."""
    taken: set[bytes] = field(default_factory=set)
    """Keys of what was proposed or seen in a trial."""
    replies: dict[str, list[Decisions]] = field(default_factory=dict)
    """The latest replies by their requests, as read back from their keys."""
    history: list[Status] = field(default_factory=list)
    """How far it had come, each time that it had learned."""


MAX_REPLIES = 16
"""Replies that are kept, for requests that come again."""


class Search:
    """A policy and what it has learned from; callers hold `lock`.

    Args:
        name: of the experiment, for the log.
        problem: what is searched.
        seed: of the policy's weights and of every draw.
    """

    def __init__(self, name: str, problem: Problem, seed: int) -> None:
        self.lock = threading.Lock()
        self.problem = problem
        self.memory = Memory()
        self.random = np.random.default_rng(seed)
        self._name = name
        self._noted: set[str] = set()
        self._warned: set[str] = set()
        self.policy = problem.form.policy(seed=int(self.random.integers(2**31)))
        max_updates = problem.sizes.max_updates(DEFAULT.max_call_time)
        self.policy_gradient = PolicyGradient(self.policy, problem.settings, max_updates)

    @property
    def status(self) -> Status:
        """May be read without the lock: the history only ever grows."""
        history = self.memory.history
        return history[-1] if history else Status()

    def is_of_another(self, trials: Sequence[Trial], count: int, total: int) -> bool:
        """Whether a trial that taught is gone: the experiment was deleted, and made again under the same name."""
        if _request(trials, count, total) in self.memory.replies:
            return False
        return not {lesson.trial for lesson in self.memory.lessons} <= {trial.name for trial in trials}

    def suggest(self, trials: Sequence[Trial], count: int, total: int) -> tuple[list[dict[str, str]], bool]:
        """Learn from what has finished, and propose; the same request gets the same reply again.

        Args:
            trials: every trial so far.
            count: how many suggestions to make.
            total: how many were asked for so far, these included.

        Returns:
            The assignments, and whether the request was new.
        """
        request = _request(trials, count, total)
        is_new = request not in self.memory.replies
        if is_new:
            started = time.monotonic()
            num_new = self._learn(trials)
            self.memory.replies[request] = self._propose(trials, count)
            for old in list(self.memory.replies)[:-MAX_REPLIES]:
                del self.memory.replies[old]
            logger.info(
                "%s: %d new trials of %d, %d proposals, %.3f s",
                self._name, num_new, len(self.memory.lessons), count, time.monotonic() - started,
            )  # fmt: skip
        return [self.problem.space.write(decisions) for decisions in self.memory.replies[request]], is_new

    def _learn(self, trials: Sequence[Trial]) -> int:
        """Credit every finished trial that was not credited before; return how many there were."""
        known = {lesson.trial for lesson in self.memory.lessons}
        # The request promises no order; a fixed one makes the same trials teach the same.
        finished = sorted(
            (one for one in trials if one.is_finished and one.name not in known), key=lambda one: one.name
        )
        worst = self._worst(finished)
        new = [lesson for trial in finished if (lesson := self._lesson(trial, worst)) is not None]
        if not new:
            return 0
        self.memory.lessons += new
        logger.info("%s: learning from %s", self._name, ", ".join(lesson.trial for lesson in new))
        compared = advantages(self._scores(), self.problem.settings.controller_baseline_decay)
        logger.info("%s: advantages from %.3f to %.3f", self._name, compared.min(), compared.max())
        step = self.policy_gradient.update(self._lessons_nd(), compared, len(new))
        best = self.problem.objective.sign * max(lesson.reward for lesson in self.memory.lessons)
        self.memory.history.append(Status(len(self.memory.lessons), best, step))
        return len(new)

    def _propose(self, trials: Sequence[Trial], count: int) -> list[Decisions]:
        space = self.problem.space
        first, second = self.random.integers(-(2**31), 2**31, size=2).tolist()
        candidates_bd, predictor = self.policy.sample(NUM_CANDIDATES, (first, second)), None
        if len(self.memory.lessons) >= MIN_TRIALS:
            decisions_nd, scores_n = self._lessons_nd(), self._scores()
            predictor = Predictor(Encoding(space.counts, space.num_bits), decisions_nd, scores_n)
            best = np.argsort(-scores_n, kind="stable")[:NUM_BEST]
            candidates_bd = np.concatenate([candidates_bd, decisions_nd[best]])
        self._note(trials)
        return propose(
            candidates_bd,
            predictor,
            space=space,
            taken=self.memory.taken,
            count=count,
            random=self.random,
        )

    def _note(self, trials: Sequence[Trial]) -> None:
        """Keep in mind what runs or ran; trials may come from elsewhere than this process's proposals."""
        for trial in trials:
            if trial.name in self._noted:
                continue
            self._noted.add(trial.name)
            with suppress(ForeignAssignments):
                self.memory.taken.add(self._key(trial))

    def _lessons_nd(self) -> Decisions:
        return np.stack([lesson.decisions for lesson in self.memory.lessons])

    def _scores(self) -> Floats:
        return ranked([lesson.reward for lesson in self.memory.lessons])

    def _worst(self, finished: Sequence[Trial]) -> float | None:
        """The worst reward among what was learned from and what is new; None where there is none yet."""
        rewards = [lesson.reward for lesson in self.memory.lessons]
        rewards += [reward for trial in finished if (reward := trial.reward(self.problem.objective)) is not None]
        return min(rewards, default=None)

    def _lesson(self, trial: Trial, worst: float | None) -> Lesson | None:
        """What a finished trial teaches; None, with one warning, where it cannot be read.

        One that was stopped early did worse than others, whether or not its metric has come: without it, it is taken
        for as bad as the worst.
        """
        reward = trial.reward(self.problem.objective)
        if reward is None and trial.condition is TrialCondition.EARLY_STOPPED:
            if worst is None:
                return None  # until there is one to compare with
            reward = worst
        if reward is None:
            metric = self.problem.objective.metric
            self._warn(trial, f"its {metric} is {trial.metrics.get(metric)!r:.100}, not a finite number")
            return None
        try:
            return Lesson(trial.name, self.problem.space.of_key(self._key(trial)), reward)
        except ForeignAssignments as error:
            self._warn(trial, str(error))
            return None

    def _key(self, trial: Trial) -> bytes:
        return self.problem.space.key(self.problem.space.read(trial.assignments))

    def _warn(self, trial: Trial, reason: str) -> None:
        if trial.name not in self._warned:
            self._warned.add(trial.name)
            logger.warning("%s: trial %s teaches nothing: %s", self._name, trial.name, reason)


def _request(trials: Sequence[Trial], count: int, total: int) -> str:
    """What makes a request the same as another: its numbers and its trials' names, not how far those have come."""
    key = hashlib.sha256(f"{total} {count}".encode())
    for name in sorted(trial.name for trial in trials):
        key.update(f"\n{name}".encode())
    return key.hexdigest()
