"""Callers that do not wait for ever."""

import itertools
import logging
import threading
import time
from concurrent import futures
from contextlib import contextmanager

import pytest

from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.serving import caller
from katib_suggestion.serving.caller import Caller, Unavailable
from katib_suggestion.wire import converters

NUM_ROUNDS = 4


@pytest.fixture
def experiment(build):
    return converters.experiment(build.enas(num_layers=3))


def ask(suggester, experiment, trials, waiting=caller.PATIENT):
    with caller.answering(waiting):
        return suggester.suggest(experiment, trials, 3, len(trials) + 3)


def finished(trials, reply):
    """The trials, and those of a reply."""
    new = []
    for one in reply:
        name, value = f"t{len(trials) + len(new)}", str(one["architecture"].count("1") / 10)
        succeeded = TrialCondition.SUCCEEDED
        new.append(Trial(name=name, condition=succeeded, assignments=one, metrics={"Validation-Accuracy": value}))
    return [*trials, *new]


def undisturbed(experiment, num_rounds=NUM_ROUNDS):
    suggester, trials = EnasSuggester(1), []
    for _ in range(num_rounds):
        trials = finished(trials, ask(suggester, experiment, trials))
    return trials


@contextmanager
def busy(suggester, experiment):
    """Within, another call is at the experiment's search."""
    with suggester._held[experiment.name].search.lock:
        yield


def waiting_for(seconds):
    end_s = time.monotonic() + seconds
    return Caller(remaining_s=lambda: max(0.0, end_s - time.monotonic()))


def gone_after(num_questions):
    """A caller that has gone once it was asked so often whether it is there."""
    questions = itertools.count()
    return Caller(is_there=lambda: next(questions) < num_questions)


def test_what_a_caller_was_told_it_is_told_again_while_another_call_is_at_work(experiment):
    suggester = EnasSuggester(1)
    reply = ask(suggester, experiment, [])
    with busy(suggester, experiment):
        assert ask(suggester, experiment, [], waiting_for(30)) == reply


@pytest.mark.parametrize("num_questions", [0, 1, 2, 3])
def test_a_call_whose_caller_has_gone_is_dropped_and_changes_nothing(experiment, caplog, num_questions):
    suggester = EnasSuggester(1)
    trials = finished([], ask(suggester, experiment, []))
    suggester.settle()
    with caplog.at_level(logging.INFO):
        with busy(suggester, experiment), pytest.raises(Unavailable, match="the caller has gone"):
            ask(suggester, experiment, trials, gone_after(num_questions))
        with pytest.raises(Unavailable, match="the caller has gone"):
            ask(suggester, experiment, trials, gone_after(min(num_questions, 1)))
        assert "proposals" not in caplog.text
    assert finished(trials, ask(suggester, experiment, trials)) == undisturbed(experiment, 2)


def test_a_call_that_waits_for_another_says_so_before_its_caller_goes(experiment):
    suggester = EnasSuggester(1)
    trials = finished([], ask(suggester, experiment, []))
    waiting = waiting_for(1)
    with busy(suggester, experiment), pytest.raises(Unavailable, match=r"longer than the .* s that are left"):
        ask(suggester, experiment, trials, waiting)
    assert waiting.remaining_s() > 0


class SlowToTell(CheckpointStore):
    """Its folder is slow: what is prepared between calls is not ready until it may be."""

    def __init__(self, folder):
        super().__init__(folder)
        self.may_tell = threading.Event()
        self.telling = threading.Event()

    def tell(self, name, search):
        self.telling.set()
        assert self.may_tell.wait(60)
        super().tell(name, search)


@pytest.mark.parametrize("trials_before", [0, 9])
def test_what_is_prepared_is_waited_for_no_longer_than_the_caller_waits(experiment, tmp_path, trials_before):
    store = SlowToTell(tmp_path)
    suggester, trials = EnasSuggester(1, store), []
    store.may_tell.set()
    while len(trials) < trials_before:
        trials = finished(trials, ask(suggester, experiment, trials))
        suggester.settle()
    store.may_tell.clear()
    store.telling.clear()
    trials = finished(trials, ask(suggester, experiment, trials))
    assert store.telling.wait(60)
    waiting = waiting_for(1)
    with pytest.raises(Unavailable, match=r"longer than the .* s that are left"):
        ask(suggester, experiment, trials, waiting)
    assert waiting.remaining_s() > 0
    # So does one for which the experiment was made again.
    if trials_before:
        with caller.answering(waiting_for(1)), pytest.raises(Unavailable):
            suggester.suggest(experiment, [], 1, 1)
    store.may_tell.set()
    reply = ask(suggester, experiment, trials)
    assert finished(trials, reply) == undisturbed(experiment, len(trials) // 3 + 1)


@pytest.mark.parametrize("is_busy", [False, True], ids=["", "with nothing prepared between calls"])
def test_whenever_callers_give_up_the_same_history_gets_the_same_replies(experiment, tmp_path, is_busy):
    """Each round is asked for by callers that have gone one question later than the one before, until one is told."""
    suggester, trials, gave_up = EnasSuggester(1, CheckpointStore(tmp_path)), [], 0
    may_prepare = threading.Event()
    if is_busy:
        suggester._executor.submit(may_prepare.wait)
    for _ in range(NUM_ROUNDS):
        for num_questions in itertools.count():
            try:
                reply = ask(suggester, experiment, trials, gone_after(num_questions))
                break
            except Unavailable:
                gave_up += 1
        trials = finished(trials, reply)
    assert trials == undisturbed(experiment)
    assert gave_up >= 3 * NUM_ROUNDS
    # One that gives up last, and then the experiment is made again.
    with pytest.raises(Unavailable):
        ask(suggester, experiment, trials, gone_after(3))
    may_prepare.set()
    assert len(suggester.suggest(experiment, [], 1, 1)) == 1


def test_many_callers_of_one_request_have_it_computed_once(experiment, caplog):
    suggester = EnasSuggester(1)
    trials = finished([], ask(suggester, experiment, []))
    with caplog.at_level(logging.INFO), futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ask(suggester, experiment, trials), range(8)))
    assert replies == [replies[0]] * 8
    assert caplog.text.count("3 proposals") == 1


def test_a_request_that_comes_late_does_not_make_the_experiment_another(experiment, caplog):
    """As after a stop of the machine: who sent it has gone, and has had later ones answered since."""
    suggester = EnasSuggester(1)
    trials = undisturbed(experiment)
    for number in (3, 6, 9):
        ask(suggester, experiment, trials[:number])
    suggester.suggest(experiment, trials[:6], 2, 8)
    assert "are gone" not in caplog.text
    assert suggester.statuses()[experiment.name].num_trials == 9
