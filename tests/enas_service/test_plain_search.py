"""A search over plain parameters, with the same promises as one over architectures."""

import csv
import statistics

import pytest

from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.wire import api_pb2, converters

METRIC = "Validation-Accuracy"


@pytest.fixture
def experiment(build):
    """Two numbers, two choices, and two that nothing reads."""
    return converters.experiment(
        build.plain(
            build.parameter("lr", api_pb2.DOUBLE, min="1e-4", max="1", distribution=api_pb2.LOG_UNIFORM),
            build.parameter("layers", api_pb2.INT, min="1", max="8"),
            build.parameter("block", api_pb2.CATEGORICAL, list=["plain", "residual", "dense"]),
            build.parameter("norm", api_pb2.DISCRETE, list=["0", "1"]),
            build.parameter("unread-1", api_pb2.INT, min="1", max="20"),
            build.parameter("unread-2", api_pb2.INT, min="1", max="20"),
        )
    )


def worth(suggestion):
    """At most 4, at a learning rate near .01 and five layers."""
    lr, layers = float(suggestion["lr"]), int(suggestion["layers"])
    found = 1 - abs(layers - 5) / 7 + max(0, 1 - abs(lr - 0.01) / 0.05)
    return found + (suggestion["block"] == "residual") + (suggestion["norm"] == "1")


def rounds(suggester, experiment, num_rounds, trials=(), restart=None):
    trials = list(trials)
    for _ in range(num_rounds):
        if restart is not None:
            suggester = restart()
        for one in suggester.suggest(experiment, trials, 3, len(trials) + 3):
            metrics = {METRIC: str(worth(one))}
            name, condition = f"t-{len(trials)}", TrialCondition.SUCCEEDED
            trials.append(Trial(name=name, condition=condition, assignments=one, metrics=metrics))
    return trials


def test_it_finds_what_is_rewarded(experiment):
    found = [worth(trial.assignments) for trial in rounds(EnasSuggester(1), experiment, 10)]
    assert statistics.mean(found[:9]) < 2.6
    assert max(found) > 3.6
    assert statistics.mean(found[-9:]) > statistics.mean(found[:9]) + 0.5


def test_what_nothing_reads_is_found_not_to_matter(experiment, tmp_path):
    suggester = EnasSuggester(1, CheckpointStore(tmp_path))
    rounds(suggester, experiment, 12)
    suggester.settle()
    (path,) = tmp_path.glob("*/importance.csv")
    with path.open(newline="") as file:
        matters = {row["name"]: float(row["importance"]) for row in csv.DictReader(file)}
    read = [matters[name] for name in ("lr", "layers", "block", "norm")]
    assert max(matters["unread-1"], matters["unread-2"]) < min(read) / 2


def test_a_new_process_goes_on_bit_for_bit(experiment, tmp_path):
    unbroken = rounds(EnasSuggester(1, CheckpointStore(tmp_path / "a")), experiment, 6)
    store = CheckpointStore(tmp_path / "b")
    assert rounds(None, experiment, 6, restart=lambda: EnasSuggester(1, store)) == unbroken


def test_the_same_request_gets_the_same_reply(experiment):
    suggester = EnasSuggester(1)
    trials = rounds(suggester, experiment, 4)
    first, again = (suggester.suggest(experiment, trials, 3, 15) for _ in range(2))
    assert first == again
    assert [list(one) for one in first] == [[parameter.name for parameter in experiment.parameters]] * 3


def test_nothing_is_proposed_twice_until_all_has_been(build):
    small = converters.experiment(
        build.plain(*(build.parameter(name, api_pb2.CATEGORICAL, list=["a", "b", "c"]) for name in "xy"))
    )
    suggester, trials = EnasSuggester(1), []
    for _ in range(4):
        for one in suggester.suggest(small, trials, 3, len(trials) + 3):
            name, metrics = f"t-{len(trials)}", {METRIC: str(len(trials))}
            trials.append(Trial(name=name, condition=TrialCondition.SUCCEEDED, assignments=one, metrics=metrics))
    assert len({tuple(trial.assignments.items()) for trial in trials[:9]}) == 9
    assert len(trials) == 12


@pytest.mark.parametrize("count", [1, 3])
def test_a_single_combination_is_proposed_again(build, count):
    fixed = converters.experiment(build.plain(build.parameter("x", api_pb2.CATEGORICAL, list=["a"])))
    suggester, trials = EnasSuggester(1), []
    for _ in range(4):
        for one in suggester.suggest(fixed, trials, count, len(trials) + count):
            assert one == {"x": "a"}
            name, metrics = f"t-{len(trials)}", {METRIC: "1"}
            trials.append(Trial(name=name, condition=TrialCondition.SUCCEEDED, assignments=one, metrics=metrics))
