"""Searches for cells: that they learn, outlive a restart, and tell of themselves as others do."""

import hashlib

import pytest

from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.parsing import assignment
from katib_suggestion.wire import converters

KINDS = {"micro": "2", "recurrent": "6"}
"""With so many nodes."""


def experiment(build, kind, **settings):
    return converters.experiment(getattr(build, kind)(settings={"num_nodes": KINDS[kind]} | settings))


def share_of_first(suggestion):
    """How much of the cells is of operation 0."""
    operations = [number for row in assignment.decode(suggestion["architecture"]) for number in row[1::2]]
    return operations.count(0) / len(operations)


def trial(asked, name, suggestion, value):
    metrics = {asked.objective.metric: str(asked.objective.sign * value)}
    return Trial(name=name, condition=TrialCondition.SUCCEEDED, assignments=suggestion, metrics=metrics)


def rounds(suggester, asked, trials, count):
    """Run rounds of 3 trials more; return what each was worth."""
    worth = []
    for _ in range(count):
        for suggestion in suggester.suggest(asked, trials, 3, len(trials) + 3):
            worth.append(share_of_first(suggestion))
            trials.append(trial(asked, f"t-{len(trials):03}", suggestion, worth[-1]))
    return worth


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_finds_what_is_rewarded_and_proposes_nothing_twice(build, kind):
    """Of pictures the metric is to grow, of text to shrink."""
    asked, trials = experiment(build, kind), []
    worth = rounds(EnasSuggester(1), asked, trials, 8)
    assert max(worth[12:]) > max(worth[:6])
    assert sum(worth[-6:]) / 6 > sum(worth[:6]) / 6 + 0.3
    cells = set()
    for one in trials:
        rows = assignment.decode(one.assignments["architecture"])
        num_edges = 2 if kind == "micro" else 1
        pairs = [list(zip(row[::2], row[1::2], strict=True)) for row in rows]
        cells.add(str([[sorted(row[at : at + num_edges]) for at in range(0, len(row), num_edges)] for row in pairs]))
    assert len(cells) == len(trials)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_goes_on_bit_for_bit_from_its_checkpoint(build, kind, tmp_path):
    asked = experiment(build, kind)

    def go_on(folder, num_lives):
        trials = []
        for _ in range(num_lives):
            suggester = EnasSuggester(3, CheckpointStore(folder))
            rounds(suggester, asked, trials, 6 // num_lives)
            suggester.settle()
        return hashlib.sha256(str([one.assignments for one in trials]).encode()).hexdigest()

    assert go_on(tmp_path / "whole", 1) == go_on(tmp_path / "broken", 2)
    (folder,) = (tmp_path / "whole").iterdir()
    importance = (folder / "importance.csv").read_text()
    place = (
        "normal node 2: operation 1,normal operation" if kind == "micro" else "recurrent node 1: operation,recurrent"
    )
    assert place in importance
    assert (folder / "history.csv").read_text().startswith("num_trials,best,loss,entropy,skip_rate")


@pytest.mark.parametrize("kind", KINDS)
def test_another_number_of_nodes_is_another_search(build, kind, tmp_path, caplog):
    suggester = EnasSuggester(3, CheckpointStore(tmp_path))
    trials = []
    rounds(suggester, experiment(build, kind), trials, 1)
    suggester.settle()
    rounds(suggester, experiment(build, kind, num_nodes="7"), trials, 1)
    assert "another search space, other settings or another objective: starting afresh" in caplog.text
    assert "expected" in caplog.text
    assert "teaches nothing" in caplog.text
