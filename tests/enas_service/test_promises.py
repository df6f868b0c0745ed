"""Long random histories of calls, kills, losses of power, deletions and re-creations, against the model."""

import random
from contextlib import ExitStack

import pytest

from benchmarks.robustness.histories import History
from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import Unavailable
from katib_suggestion.wire import converters
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
        if since is None:
            return self._draw.choice(self._disk.in_the_end)
        instant = self._draw.randrange(since, self.now)
        return self._draw.choice(self._disk.states(instant, instant + 1))

    @property
    def now(self):
        return len(self._disk.instants)


class Caller:
    """Asks until there is an answer; on the way it may give up, and the machine may lose its power."""

    def __init__(self, experiment, machine, draw):
        self.experiment, self.machine, self.draw = experiment, machine, draw

    def ask(self, trials, count, total):
        while True:
            since, event = self.machine.now, self.draw.random()
            waiting = gone_after(self.draw.randrange(3)) if event < 0.15 else caller.PATIENT
            try:
                with caller.answering(waiting):
                    reply = self.machine.suggester.suggest(self.experiment, trials, count, total)
            except Unavailable:
                continue
            if event > 0.85:  # nobody had it
                self.machine.start(self.machine.stop(since))
                continue
            return reply

    def num_learned(self):
        return self.machine.suggester.statuses()[self.experiment.name].num_trials


def run(build, folder, seed, num_steps):
    draw = random.Random(seed)
    machine = Machine(folder, draw)
    asks = Caller(converters.experiment(build.enas(num_layers=5)), machine, draw)
    history = History(asks.ask, asks.num_learned, draw)
    for _ in range(num_steps):
        if draw.random() < 0.1:
            machine.start(machine.stop())
        history.step()
    machine.stop()
    return asks.experiment, history


@pytest.mark.parametrize(
    ("seed", "num_steps"),
    [(0, 25), *(pytest.param(seed, 300, marks=pytest.mark.long("three long histories")) for seed in (1, 2, 3))],
)
def test_every_promise_is_kept_and_nobody_can_tell_what_happened(build, tmp_path, seed, num_steps):
    experiment, history = run(build, tmp_path, seed, num_steps)
    assert history.broken == []
    undisturbed = EnasSuggester(SEED)
    for number, one in enumerate(history.answers):
        assert undisturbed.suggest(experiment, one.trials, one.count, one.total) == one.reply, f"call {number}"
