"""A machine that loses its power under an ENAS service."""

import logging
import os
import random
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest

from enas_service.checkpoint import CheckpointStore
from enas_service.problem import Problem
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.wire import converters
from tests.conftest import Service, wait_for_port
from tests.power_loss import Disk, prefixes, written_out
from tests.system_calls import Watch, in_place, torn


@pytest.fixture
def ask(tmp_path, build):
    """Ask a service for rounds, and then for one of an experiment that was made again; return its process."""

    def asked(watch, state):
        log = tmp_path / "log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                watch.command("-m", "enas_service", "--port=0", f"--state-dir={state}", "--seed=1"),
                stderr=stream,
                env=watch.environment(os.environ),
            )
        try:
            port = wait_for_port(process, log)
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                service, experiment, trials = Service(process, port, log, channel), build.enas(num_layers=3), []
                service.wait_until_serving()
                for _ in range(4):
                    reply = service.stub.GetSuggestions(build.request(experiment, 2, trials), timeout=60)
                    for one in build.assignments(reply):
                        trials.append(build.trial(f"t{len(trials)}", one, {"Validation-Accuracy": "0.5"}))
                service.stub.GetSuggestions(build.request(experiment, 3), timeout=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()
        return process

    return asked


def test_what_a_service_publishes_is_on_the_disk_before_it_has_its_name(ask, tmp_path, record_property):
    watch, disk = Watch(tmp_path / "calls"), tmp_path / "disk"
    disk.mkdir()
    process = ask(watch, disk / "new" / "state")
    record_property("seen by", watch.way)
    calls = watch.calls(disk, process.pid)
    renamed = [call.new.name for call in calls if call.kind == "rename"]
    assert {"1", "2", "3", "4", "history.csv", "importance.csv"} <= set(renamed), watch.way
    assert torn(calls) == [], watch.way
    assert in_place(calls, disk) == {".lock"}


def rounds(suggester, experiment, num_rounds, trials=()):
    """Ask for rounds of three; return all trials."""
    trials = list(trials)
    for _ in range(num_rounds):
        for one in suggester.suggest(experiment, trials, 3, len(trials) + 3):
            metrics = {"Validation-Accuracy": str(one["architecture"].count("1") / 10)}
            succeeded = TrialCondition.SUCCEEDED
            trials.append(Trial(name=f"t{len(trials)}", condition=succeeded, assignments=one, metrics=metrics))
        suggester.settle()
    return trials


def one_of_each(states):
    """Of those that differ in no more than drafts a few: it takes long to read one."""
    kinds = {}
    for state in states:
        published = tuple((name, content) for name, content in state.items() if "writing" not in name)
        kinds.setdefault(published, []).append(state)
    draw = random.Random(1)
    return [state for kind in kinds.values() for state in draw.sample(kind, min(4, len(kind)))]


def test_of_a_search_that_is_let_go_of_all_is_left_or_nothing(build, tmp_path):
    message = build.enas(num_layers=3)
    experiment, problem = converters.experiment(message), Problem.of(converters.experiment(message))
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    with disk.watched():
        store = CheckpointStore(disk.root / "state")
        rounds(EnasSuggester(1, store), experiment, 3)
        before = len(disk.instants)
        store.discard(experiment.name)

    found = set()
    for number, state in enumerate(disk.states(since=before)):
        left = CheckpointStore(written_out(state, tmp_path / f"left{number}") / "state").load(experiment.name, problem)
        found.add(None if left is None else len(left.memory.lessons))
    assert found == {None, 6}


def test_whatever_is_left_of_a_write_a_search_goes_on_from_a_whole_checkpoint(build, tmp_path, caplog):
    message = build.enas(num_layers=3)
    experiment, problem = converters.experiment(message), Problem.of(converters.experiment(message))
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    with disk.watched():
        suggester = EnasSuggester(1, CheckpointStore(disk.root / "state"))
        trials = rounds(suggester, experiment, 2)
        before = len(disk.instants)
        rounds(suggester, experiment, 1, trials)

    def lessons(state):
        with TemporaryDirectory(dir=tmp_path) as folder:
            search = CheckpointStore(written_out(state, Path(folder) / "left") / "state").load(experiment.name, problem)
            return len(search.memory.lessons)

    found = set()
    for state in one_of_each(disk.states(since=before)):
        assert lessons(state) in (3, 6)
        found.add(lessons(state))
    assert found == {3, 6}
    assert {lessons(state) for state in one_of_each(disk.in_the_end)} == {6}
    assert "cannot be read" not in caplog.text, "the one before it was needed"


@pytest.mark.parametrize(
    "num_lengths", [8, pytest.param(150, marks=pytest.mark.long("TensorFlow reads what is left of a file 300 times"))]
)
def test_whatever_a_checkpoint_is_cut_to_the_one_before_is_read(build, tmp_path, caplog, num_lengths):
    """As a disk may leave it that says that it has written what it has not."""
    experiment = converters.experiment(build.enas(num_layers=3))
    problem = Problem.of(experiment)
    rounds(EnasSuggester(1, CheckpointStore(tmp_path)), experiment, 2)
    (newest,) = tmp_path.glob("*/2")
    assert len(CheckpointStore(tmp_path).load(experiment.name, problem).memory.lessons) == 3
    with caplog.at_level(logging.CRITICAL):
        for file in newest.iterdir():
            whole = file.read_bytes()
            lengths = [length for length in prefixes(whole) if length < len(whole)]
            for length in {0, len(whole) - 1, *random.Random(1).sample(lengths, min(num_lengths, len(lengths)))}:
                file.write_bytes(whole[:length])
                assert CheckpointStore(tmp_path).load(experiment.name, problem).memory.lessons == [], length
            file.write_bytes(whole)


def test_an_experiment_that_was_made_again_does_not_become_the_old_one(build, tmp_path):
    experiment = converters.experiment(build.enas(num_layers=3))
    rounds(EnasSuggester(1, CheckpointStore(tmp_path / "disk" / "state")), experiment, 2)
    disk = Disk(tmp_path / "disk")
    with disk.watched():
        suggester = EnasSuggester(1, CheckpointStore(disk.root / "state"))
        reply = suggester.suggest(experiment, [], 2, 2)
        suggester.settle()
    for number, state in enumerate(disk.in_the_end):
        left = CheckpointStore(written_out(state, tmp_path / f"left-{number}") / "state")
        assert EnasSuggester(9, left).suggest(experiment, [], 2, 2) == reply
