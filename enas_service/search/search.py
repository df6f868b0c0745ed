"""One experiment's search: what its trials taught, and the next proposals."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from enas_service.cost import NUM_CANDIDATES
from enas_service.decisions import Decisions
from enas_service.lessons import Lesson, Matters, decisions_of, insight, merits, rewards_of, trained, what_takes_long
from enas_service.limits import DEFAULT
from enas_service.model.aims import believing
from enas_service.model.importance import Importance, importances, summary
from enas_service.model.model import MIN_TRIALS, Model
from enas_service.model.proposals import propose, untaken
from enas_service.model.region import Region
from enas_service.policies.policy_gradient import PolicyGradient
from enas_service.problem import Problem
from enas_service.scores import advantages, ranked
from enas_service.search.memory import Memory, Status, request_of
from enas_service.search.notices import Notices
from enas_service.search.preparing import Preparing
from enas_service.search.reading import TrialReader
from katib_suggestion.experiment import Trial
from katib_suggestion.serving import caller

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What takes long and is done between calls, for the next one."""

    candidates_bd: Decisions
    """(B, D), drawn from the policy."""
    matters: Matters = field(default_factory=Matters)
    """What mattered by the trials before, where a call has no time to find out."""


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
        self._reader = TrialReader(name, problem)
        self._notices = Notices(name, problem)
        self.policy = problem.form.policy(seed=int(self.random.integers(2**31)))
        self._region = Region.of(problem.space)
        self._model: Model | None = None
        self._preparing = Preparing(self._prepare)
        self._proposing_s = 0.0
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
        if not self.memory.lessons or request_of(trials, count, total) in self.memory.replies:
            return False
        named = {trial.name: trial for trial in trials}
        return not any(
            self._reader.is_of(named[lesson.trial], lesson) for lesson in self.memory.lessons if lesson.trial in named
        )

    def told(self, trials: Sequence[Trial], count: int, total: int) -> list[dict[str, str]] | None:
        """What the same request was told before; None if it is new. May be asked without the lock."""
        reply = self._told.get(request_of(trials, count, total))
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
        request = request_of(trials, count, total)
        is_new = request not in self.memory.replies
        if is_new:
            prepared = self._preparing.result(caller.current(), self._proposing_s)
            started = time.monotonic()
            num_new = self._learn(trials)
            self.memory.keep(request, self._propose(trials, count, prepared))
            self._preparing.use()
            self._proposing_s = time.monotonic() - started
            logger.info(
                "%s: %d new trials of %d, %d proposals, %.3f s",
                self._name, num_new, len(self.memory.lessons), count, self._proposing_s,
            )  # fmt: skip
        return self._written(self.memory.replies[request]), is_new

    def _written(self, reply: Sequence[Decisions]) -> list[dict[str, str]]:
        return [self.problem.space.write(decisions) for decisions in reply]

    def prepare_with(self, executor: Executor, then: Callable[[], None]) -> None:
        """Prepare for the next call in another thread, and call ``then`` there."""
        self._preparing.begin(executor, then)

    def settle(self) -> None:
        """Wait until what is being prepared is ready, or the caller has gone.

        Raises:
            Unavailable: it has.
        """
        self._preparing.settle()

    def _prepare(self) -> Preparation:
        """Train the policy on new lessons, draw from it, and find out what matters."""
        if not self.memory.replies:
            return Preparation(self._region.draw(NUM_CANDIDATES, self.random))
        lessons, goal = self.memory.lessons, self.problem.goal
        if num_new := len(lessons) - self.memory.num_trained:
            self._train(num_new)
        first, second = self.random.integers(-(2**31), 2**31, size=2).tolist()
        candidates_bd = self.policy.sample(NUM_CANDIDATES, (first, second))
        matters = what_takes_long(self._region, goal, lessons) if self._can_learn else Matters()
        if self._model is not None:
            self.learned = importances(self._model, rewards_of(trained(lessons, goal)))
            logger.info("%s: what matters: %s", self._name, summary(self.learned))
        return Preparation(candidates_bd, matters)

    def _learn(self, trials: Sequence[Trial]) -> int:
        """Keep the lessons of every finished trial that was not learned from before; return how many there were."""
        new = self._reader.new_lessons(trials, self.memory.lessons)
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
        lessons, taken = self.memory.lessons, self.memory.taken
        taken.update(self._reader.new_keys(trials))
        self._notices.tell_of_repeats(len(taken), count)
        self._notices.tell_of_budget(lessons)
        if not self._can_learn:
            return self._draws(count)
        found = insight(self._region, self.problem.goal, lessons, prepared.matters)
        self._model = found.model
        if found.aim is None:
            return self._draws(count)
        return propose(
            believing(found.aim, self._reader.waiting_nd(trials, lessons)),
            self._region,
            start_bd=prepared.candidates_bd,
            taken=taken,
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
