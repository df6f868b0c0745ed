"""Long random histories of calls, kills, losses of power, deletions and re-creations, against the model."""

import random
from contextlib import ExitStack

import pytest

from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import Unavailable
from katib_suggestion.wire import converters
from tests.enas_service.promises import Promises, Request
from tests.enas_service.test_deadlines import gone_after
from tests.power_loss import Disk, written_out

SEED = 5


class Machine:
    """A service, and the disk of its machine, which may lose its power at any instant."""

    def __init__(self, folder, draw):
        self._folder, self._draw, self._num_lives = folder, draw, 0
        self.start({})

    def start(self, files):
        """Start a service on what a disk holds."""
        self._num_lives += 1
        self._disk = Disk(written_out(files, self._folder / str(self._num_lives)))
        self._life = ExitStack()
        self._life.enter_context(self._disk.watched())
        self.suggester = EnasSuggester(SEED, CheckpointStore(self._disk.root / "state"))

    def stop(self, since=None):
        """Lose the power, at some instant since a number; return what the disk holds then."""
        self.suggester.settle()
        self._life.close()
        return self._draw.choice(self._disk.in_the_end if since is None else self._disk.states(since))

    @property
    def now(self):
        return len(self._disk.instants)


class History:
    """An experiment's calls, as its controller makes them."""

    def __init__(self, experiment, machine, draw):
        self.experiment, self.machine, self.draw = experiment, machine, draw
        self.promises, self.broken, self.answered = Promises(), [], []
        self.trials, self.num_trials, self.asked = [], 0, []

    def ask(self, trials, count, total, waiting=caller.PATIENT):
        with caller.answering(waiting):
            return self.machine.suggester.suggest(self.experiment, trials, count, total)

    def note(self, trials, count, total, reply):
        request = Request(
            architectures={one.name: one.assignments["architecture"] for one in trials},
            taught=frozenset(one.name for one in trials if one.is_finished and one.metrics),
            count=count,
            total=total,
        )
        num_learned = self.machine.suggester.statuses()[self.experiment.name].num_trials
        broken = self.promises.answered(request, [one["architecture"] for one in reply], num_learned)
        self.broken += [f"call {len(self.answered)}: {one}" for one in broken]
        self.answered.append((trials, count, total, reply))

    def round(self):
        """Finish some trials, and ask for more; on the way the power may be lost, or callers may give up."""
        self.trials = [self.finished(one) if self.draw.random() < 0.7 else one for one in self.trials]
        trials, count = list(self.trials), self.draw.randint(1, 3)
        total = self.num_trials + count
        while True:
            since, event = self.machine.now, self.draw.random()
            try:
                waiting = gone_after(self.draw.randrange(3)) if event < 0.15 else caller.PATIENT
                reply = self.ask(trials, count, total, waiting)
            except Unavailable:
                continue
            if event > 0.85:  # nobody had it
                self.machine.start(self.machine.stop(since))
                continue
            break
        self.note(trials, count, total, reply)
        self.asked = [*self.asked[-5:], (trials, count, total)]
        for one in reply:
            self.num_trials += 1
            name, running = f"t{self.num_trials}-{self.draw.randrange(10**6)}", TrialCondition.RUNNING
            self.trials.append(Trial(name=name, condition=running, assignments=one, metrics={}))

    def finished(self, trial):
        if trial.is_finished:
            return trial
        failed = self.draw.random() < 0.2
        condition = TrialCondition.FAILED if failed else TrialCondition.SUCCEEDED
        metrics = {} if failed else {"Validation-Accuracy": str(trial.assignments["architecture"].count("1") / 10)}
        return Trial(name=trial.name, condition=condition, assignments=trial.assignments, metrics=metrics)

    def repeat(self):
        """Ask for what was asked for before; its trials may have come further."""
        if self.asked:
            trials, count, total = self.draw.choice(self.asked)
            now = {one.name: one for one in self.trials}
            trials = [now.get(one.name, one) for one in trials]
            self.note(trials, count, total, self.ask(trials, count, total))

    def kill(self):
        self.machine.start(self.machine.stop())

    def lower_parallelism(self):
        """Katib deletes trials that run."""
        self.trials = [one for one in self.trials if one.is_finished or self.draw.random() < 0.5]

    def make_again(self):
        self.trials, self.num_trials, self.asked = [], 0, []


def run(build, folder, seed, num_steps):
    draw = random.Random(seed)
    history = History(converters.experiment(build.enas(num_layers=5)), Machine(folder, draw), draw)
    steps = [history.round, history.repeat, history.kill, history.lower_parallelism, history.make_again]
    for step in draw.choices(steps, weights=[10, 4, 2, 1, 1], k=num_steps):
        step()
    history.machine.stop()
    return history


@pytest.mark.parametrize(
    ("seed", "num_steps"),
    [(0, 25), *(pytest.param(seed, 300, marks=pytest.mark.long("three long histories")) for seed in (1, 2, 3))],
)
def test_every_promise_is_kept_and_nobody_can_tell_what_happened(build, tmp_path, seed, num_steps):
    history = run(build, tmp_path, seed, num_steps)
    assert history.broken == []
    undisturbed = EnasSuggester(SEED)
    for number, (trials, count, total, reply) in enumerate(history.answered):
        assert undisturbed.suggest(history.experiment, trials, count, total) == reply, f"call {number}"
