"""One experiment's search: what its trials taught, and the next proposals."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from enas_service.cost import NUM_CANDIDATES
from enas_service.decisions import Decisions
from enas_service.lessons import (
    Lesson,
    Matters,
    decisions_of,
    insight,
    merits,
    rewards_of,
    trained,
    what_takes_long,
)
from enas_service.limits import DEFAULT
from enas_service.model.aims import believing
from enas_service.model.importance import Importance, importances, summary
from enas_service.model.model import MIN_TRIALS, Model
from enas_service.model.proposals import propose, untaken
from enas_service.model.region import Region
from enas_service.policies.policy_gradient import PolicyGradient, Step
from enas_service.problem import Problem
from enas_service.scores import advantages, ranked
from enas_service.spaces.space import ForeignAssignments
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import Caller, Unavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """How far a search has come."""

    num_trials: int = 0
    """Trials that it has learned from."""
    best: float | None = None
    """The best objective among them, within the budget; None before the first."""
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
    """How far it had come, each time that the policy had learned."""
    num_trained: int = 0
    """Lessons that the policy has learned."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What takes long and is done between calls, for the next one."""

    candidates_bd: Decisions
    """(B, D), drawn from the policy."""
    matters: Matters = field(default_factory=Matters)
    """What mattered by the trials before, where a call has no time to find out."""


@dataclass(slots=True)
class _Took:
    """How long the parts of a call took the last time, in seconds."""

    preparing: float = 0.0
    proposing: float = 0.0


MAX_REPLIES = 16
"""Replies that are kept, for requests that come again."""


_TELLING = 12
"""Finished trials after which it is said that none is within the budget."""


class Search:
    """A policy, a model, and what both have learned from; callers hold `lock`.

    What takes long is done between calls, in the thread that `prepare_with` is given; nothing depends on when.

    Args:
        name: of the experiment, for the log.
        problem: what is searched.
        seed: of the policy's weights and of every draw.

    Attributes:
        learned: what matters, by the model of the latest call; empty before the first.
    """

    def __init__(self, name: str, problem: Problem, seed: int) -> None:
        self.lock = threading.Lock()
        self.problem = problem
        self.memory = Memory()
        self.random = np.random.default_rng(seed)
        self._name = name
        self._noted: set[str] = set()
        self._warned: set[str] = set()
        self._repeats = False
        self._is_missed = False
        self.policy = problem.form.policy(seed=int(self.random.integers(2**31)))
        self._region = Region.of(problem.space)
        self._model: Model | None = None
        self._preparing: Future[Preparation] | None = None
        self._prepared: Preparation | None = None
        self._took_s = _Took()
        self._told: Mapping[str, Sequence[Decisions]] = {}
        self.learned: list[Importance] = []
        max_updates = problem.sizes.max_updates(DEFAULT.max_call_time)
        self.policy_gradient = PolicyGradient(self.policy, problem.settings, max_updates)

    @property
    def status(self) -> Status:
        """May be read without the lock: lessons and the history only ever grow."""
        lessons, history = list(self.memory.lessons), self.memory.history
        return Status(len(lessons), self._best(lessons), history[-1].step if history else None)

    def is_of_another(self, trials: Sequence[Trial], count: int, total: int) -> bool:
        """Whether all trials that taught are gone: the experiment was deleted, and made again under the same name.

        Where some are there, either others were deleted, or the request is older than one that was answered before it.
        """
        if not self.memory.lessons or _request(trials, count, total) in self.memory.replies:
            return False
        assignments = {trial.name: trial for trial in trials}
        return not any(
            self._is_of(assignments[lesson.trial], lesson)
            for lesson in self.memory.lessons
            if lesson.trial in assignments
        )

    def _is_of(self, trial: Trial, lesson: Lesson) -> bool:
        """Whether a lesson was of this trial, and not of one that had its name."""
        with suppress(ForeignAssignments):
            return self._key(trial) == self.problem.space.key(lesson.decisions)
        return False

    def told(self, trials: Sequence[Trial], count: int, total: int) -> list[dict[str, str]] | None:
        """What the same request was told before; None if it is new. May be asked without the lock."""
        reply = self._told.get(_request(trials, count, total))
        return None if reply is None else self._written(reply)

    def tell(self) -> None:
        """Have the replies so far told to whoever asks again; whoever keeps them has saved them."""
        self._told = dict(self.memory.replies)

    def suggest(self, trials: Sequence[Trial], count: int, total: int) -> tuple[list[dict[str, str]], bool]:
        """Learn from what has finished, and propose; the same request gets the same reply again.

        A call that is given up has changed nothing that a reply depends on: what was prepared stays prepared. From
        where it learns it is not given up any more, and its repetition finds the reply.

        Args:
            trials: every trial so far.
            count: how many suggestions to make.
            total: how many were asked for so far, these included.

        Returns:
            The assignments, and whether the request was new.

        Raises:
            Unavailable: the caller does not wait long enough.
        """
        request = _request(trials, count, total)
        is_new = request not in self.memory.replies
        if is_new:
            prepared = self._prepare_for(caller.current())
            started = time.monotonic()
            num_new = self._learn(trials)
            self.memory.replies[request] = self._propose(trials, count, prepared)
            self._prepared = None
            self._took_s.proposing = time.monotonic() - started
            for old in list(self.memory.replies)[:-MAX_REPLIES]:
                del self.memory.replies[old]
            logger.info(
                "%s: %d new trials of %d, %d proposals, %.3f s",
                self._name, num_new, len(self.memory.lessons), count, time.monotonic() - started,
            )  # fmt: skip
        return self._written(self.memory.replies[request]), is_new

    def _written(self, reply: Sequence[Decisions]) -> list[dict[str, str]]:
        return [self.problem.space.write(decisions) for decisions in reply]

    def prepare_with(self, executor: Executor, then: Callable[[], None]) -> None:
        """Prepare for the next call in another thread, and call ``then`` there."""

        def prepare() -> Preparation:
            preparation = self._prepare()
            then()
            return preparation

        self._preparing = executor.submit(prepare)

    def settle(self) -> None:
        """Wait until what is being prepared is ready, or the caller has gone.

        Raises:
            Unavailable: it has.
        """
        preparing = self._preparing
        if preparing is not None:
            caller.current().result(preparing)

    def _prepare_for(self, waiting: Caller) -> Preparation:
        """What was prepared since the last call; now where there was no time yet, or another process made that call.

        Raises:
            Unavailable: the caller does not wait until then, and until the reply.
        """
        if self._prepared is None:
            preparing, needed_s = self._preparing, self._took_s.proposing
            if preparing is not None:
                is_begun = preparing.running() or preparing.done()
                waiting.check(needed_s if is_begun else needed_s + self._took_s.preparing)
                if not preparing.cancel():
                    self._prepared = self._result(preparing, waiting)
                self._preparing = None
            if self._prepared is None:
                self._prepared = self._prepare()
        waiting.check(self._took_s.proposing)
        return self._prepared

    def _result(self, preparing: Future[Preparation], waiting: Caller) -> Preparation:
        try:
            return waiting.result(preparing, self._took_s.proposing)
        except Unavailable:
            raise
        except BaseException:
            self._preparing = None  # the next call tries anew
            raise

    def _prepare(self) -> Preparation:
        """Train the policy on new lessons, draw from it, and find out what matters."""
        if not self.memory.replies:
            return Preparation(self._region.draw(NUM_CANDIDATES, self.random))
        started = time.monotonic()
        lessons, goal = self.memory.lessons, self.problem.goal
        if num_new := len(lessons) - self.memory.num_trained:
            self._train(num_new)
        first, second = self.random.integers(-(2**31), 2**31, size=2).tolist()
        candidates_bd = self.policy.sample(NUM_CANDIDATES, (first, second))
        matters = what_takes_long(self._region, goal, lessons) if self._can_learn else Matters()
        if self._model is not None:
            self.learned = importances(self._model, rewards_of(trained(lessons, goal)))
            logger.info("%s: what matters: %s", self._name, summary(self.learned))
        self._took_s.preparing = time.monotonic() - started
        return Preparation(candidates_bd, matters)

    def _learn(self, trials: Sequence[Trial]) -> int:
        """Note every finished trial that was not noted before; return how many there were."""
        known = {lesson.trial for lesson in self.memory.lessons}
        # The request promises no order; a fixed one makes the same trials teach the same.
        finished = sorted(
            (one for one in trials if one.is_finished and one.name not in known), key=lambda one: one.name
        )
        worst = self._worst(finished)
        new = [lesson for trial in finished if (lesson := self._lesson(trial, worst)) is not None]
        self.memory.lessons += new
        if new:
            logger.info("%s: learning from %s", self._name, ", ".join(lesson.trial for lesson in new))
        return len(new)

    def _train(self, num_new: int) -> None:
        """Credit every lesson's own decisions with its advantage."""
        lessons = self.memory.lessons
        compared = advantages(
            ranked(merits(lessons, self.problem.goal)), self.problem.settings.controller_baseline_decay
        )
        logger.info("%s: advantages from %.3f to %.3f", self._name, compared.min(), compared.max())
        step = self.policy_gradient.update(decisions_of(lessons), compared, num_new)
        self.memory.num_trained = len(lessons)
        self.memory.history.append(Status(len(lessons), self._best(lessons), step))

    def _best(self, lessons: Sequence[Lesson]) -> float | None:
        """The best objective that is known to be within the budget, if there is one."""
        goal = self.problem.goal
        rewards = [lesson.reward for lesson in lessons if goal.is_within(lesson.costs)]
        return goal.objective.sign * max(rewards) if rewards else None

    def _propose(self, trials: Sequence[Trial], count: int, prepared: Preparation) -> list[Decisions]:
        self._note(trials)
        self._tell_of_repeats(count)
        if self.problem.goal.budget is not None:
            self._tell_of_budget()
        if not self._can_learn:
            return self._draws(count)
        found = insight(self._region, self.problem.goal, self.memory.lessons, prepared.matters)
        self._model = found.model
        if found.aim is None:
            return self._draws(count)
        return propose(
            believing(found.aim, self._waiting_nd(trials)),
            self._region,
            start_bd=prepared.candidates_bd,
            taken=self.memory.taken,
            count=count,
            random=self.random,
        )

    @property
    def _can_learn(self) -> bool:
        """Whether there are enough trials, and a decision to learn about."""
        return len(self.memory.lessons) >= MIN_TRIALS and self._region.features.num_columns > 0

    def _draws(self, count: int) -> list[Decisions]:
        """Uniform draws, before there is anything to learn from."""
        space, drawn = self.problem.space, []
        for _ in range(count):
            key = untaken(self._region.draw(1, self.random), space, self.memory.taken, self.random)
            self.memory.taken.add(key)
            drawn.append(space.of_key(key))
        return drawn

    def _waiting_nd(self, trials: Sequence[Trial]) -> Decisions:
        """Trials (N, D) that run, or ended without a result, in the order of their names."""
        known, waiting = {lesson.trial for lesson in self.memory.lessons}, []
        for trial in sorted(trials, key=lambda one: one.name):
            if trial.name not in known:
                with suppress(ForeignAssignments):
                    waiting.append(self.problem.space.of_key(self._key(trial)))
        return np.stack(waiting) if waiting else decisions_of(self.memory.lessons)[:0]

    def _tell_of_budget(self) -> None:
        """Say once that nothing seen is within the budget."""
        goal, costs = self.problem.goal, [lesson.costs for lesson in self.memory.lessons]
        if self._is_missed or len(costs) < _TELLING or any(map(goal.is_within, costs)):
            return
        self._is_missed = True
        cheapest = ", ".join(
            f"{name} {min(known):g}" for name in goal.costs if (known := [one[name] for one in costs if name in one])
        )
        logger.warning(
            "%s: none of %d trials is within the budget %s; the cheapest seen: %s",
            self._name, len(costs), goal.budget, cheapest or "no trial reports what it costs",
        )  # fmt: skip

    def _tell_of_repeats(self, count: int) -> None:
        """Say once that the space is used up: Katib's reply has no place for it."""
        size = self.problem.space.size
        if not self._repeats and len(self.memory.taken) + count > size:
            self._repeats = True
            logger.warning(
                "%s: the space has %d architectures, and all are proposed by now: from here on they repeat",
                self._name, size,
            )  # fmt: skip

    def _note(self, trials: Sequence[Trial]) -> None:
        """Keep in mind what runs or ran; trials may come from elsewhere than this process's proposals."""
        for trial in trials:
            if trial.name in self._noted:
                continue
            self._noted.add(trial.name)
            with suppress(ForeignAssignments):
                self.memory.taken.add(self._key(trial))

    def _worst(self, finished: Sequence[Trial]) -> float | None:
        """The worst reward among what was learned from and what is new; None where there is none yet."""
        rewards = rewards_of(self.memory.lessons)
        rewards += [reward for trial in finished if (reward := trial.reward(self.problem.goal.objective)) is not None]
        return min(rewards, default=None)

    def _lesson(self, trial: Trial, worst: float | None) -> Lesson | None:
        """What a finished trial teaches; None, with one warning, where it cannot be read.

        One that was stopped early did worse than others, whether or not its metric has come: without it, it is taken
        for as bad as the worst.
        """
        reward = trial.reward(self.problem.goal.objective)
        if reward is None and trial.condition is TrialCondition.EARLY_STOPPED:
            if worst is None:
                return None  # until there is one to compare with
            reward = worst
        if reward is None:
            metric = self.problem.goal.objective.metric
            self._warn(trial, f"its {metric} is {trial.metrics.get(metric)!r:.100}, not a finite number")
            return None
        try:
            lesson = Lesson(
                trial.name, self.problem.space.of_key(self._key(trial)), reward, self.problem.goal.costs_of(trial)
            )
        except ForeignAssignments as error:
            self._warn(trial, str(error))
            return None
        if missing := [name for name in self.problem.goal.costs if name not in lesson.costs]:
            names = ", ".join(missing)
            logger.warning("%s: trial %s has no %s: nothing of that is learned from it", self._name, trial.name, names)
        return lesson

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
