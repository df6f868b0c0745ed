"""Random histories of an experiment of the ENAS service, as its controller makes them, checked against the promises.

Who asks makes of it what it likes on the way: callers that give up, kills, losses of power. It must come to an answer.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.robustness.promises import Promises, Request
from katib_suggestion.experiment import Trial, TrialCondition

METRIC = "Validation-Accuracy"
_NUM_REPEATED = 6
"""Latest requests of which one is asked for again."""

Ask = Callable[[Sequence[Trial], int, int], Sequence[Mapping[str, str]]]
"""Trials, how many proposals are asked for, and how many were so far, these included; returns the proposals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What was asked for, and answered."""

    trials: Sequence[Trial]
    count: int
    total: int
    reply: Sequence[Mapping[str, str]]


@dataclass
class History:
    """An experiment's calls, and what was wrong with the answers.

    Args:
        ask: comes to an answer, however often it has to ask.
        num_learned: from how many trials the service says that it has learned; None where nobody is there to tell.
        draw: what happens next.
    """

    ask: Ask
    num_learned: Callable[[], int | None]
    draw: random.Random
    answers: list[Answer] = field(default_factory=list)
    num_repeated: int = 0
    num_made_again: int = 0
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._promises = Promises()
        self._begin()

    def _begin(self) -> None:
        self._trials: list[Trial] = []
        self._num_trials = 0
        self._asked: list[tuple[list[Trial], int, int]] = []

    def step(self) -> None:
        """Do what a controller does, or a user."""
        steps = [self.round, self.repeat, self.lower_parallelism, self.make_again]
        self.draw.choices(steps, weights=[10, 4, 1, 1])[0]()

    def round(self) -> None:
        """Finish some trials, and ask for more."""
        self._trials = [self._finished(one) if self.draw.random() < 0.7 else one for one in self._trials]
        request = list(self._trials), (count := self.draw.randint(1, 3)), self._num_trials + count
        self._asked = [*self._asked[1 - _NUM_REPEATED :], request]
        for one in self._answer(*request):
            self._num_trials += 1
            name = f"t{self._num_trials}-{self.draw.randrange(10**6)}"
            self._trials.append(Trial(name=name, condition=TrialCondition.RUNNING, assignments=one, metrics={}))

    def repeat(self) -> None:
        """Ask for what was asked for before; its trials may have come further."""
        if self._asked:
            trials, count, total = self.draw.choice(self._asked)
            now = {one.name: one for one in self._trials}
            self._answer([now.get(one.name, one) for one in trials], count, total)
            self.num_repeated += 1

    def lower_parallelism(self) -> None:
        """Katib deletes trials that run."""
        self._trials = [one for one in self._trials if one.is_finished or self.draw.random() < 0.5]

    def make_again(self) -> None:
        """Delete the experiment, and make it again under its name."""
        self._begin()
        self.num_made_again += 1

    def _answer(self, trials: Sequence[Trial], count: int, total: int) -> Sequence[Mapping[str, str]]:
        reply = self.ask(trials, count, total)
        request = Request(
            architectures={one.name: one.assignments["architecture"] for one in trials},
            taught=frozenset(one.name for one in trials if one.is_finished and one.metrics),
            count=count,
            total=total,
        )
        broken = self._promises.answered(request, [one["architecture"] for one in reply], self.num_learned())
        self.broken += [f"call {len(self.answers)}: {one}" for one in broken]
        self.answers.append(Answer(trials=trials, count=count, total=total, reply=reply))
        return reply

    def _finished(self, trial: Trial) -> Trial:
        if trial.is_finished:
            return trial
        if self.draw.random() < 0.2:
            return replace(trial, condition=TrialCondition.FAILED)
        accuracy = trial.assignments["architecture"].count("1") / 10
        return replace(trial, condition=TrialCondition.SUCCEEDED, metrics={METRIC: str(accuracy)})
