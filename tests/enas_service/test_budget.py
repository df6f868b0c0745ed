"""A search within a budget, and for a front: a small space in which the best networks are the dearest."""

import itertools
import logging
import statistics

import pytest

from enas_service.checkpoint import CheckpointStore
from enas_service.suggester import EnasSuggester
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Trial, TrialCondition
from katib_suggestion.wire import api_pb2, converters

METRIC = "Validation-Accuracy"
BUDGET = "MACs<=4e6, Parameters<=900"


@pytest.fixture
def message(build):
    """Six layers of four widths, and two choices that cost nothing; one is good."""

    def make(**settings):
        widths = [build.parameter(f"width-{n}", api_pb2.DISCRETE, list=["1", "2", "4", "8"]) for n in range(6)]
        norms = [build.parameter(f"norm-{n}", api_pb2.CATEGORICAL, list=["a", "b", "c"]) for n in range(2)]
        made = build.plain(*widths, *norms, settings=settings)
        made.spec.objective.additional_metric_names.extend(["MACs", "Parameters"])
        return made

    return make


def widths(assignments):
    return [int(assignments[f"width-{n}"]) for n in range(6)]


def macs(assignments):
    """From .5e6 to 4e7; a tenth of all combinations cost at most 4e6."""
    pairs = itertools.pairwise([1, *widths(assignments)])
    return 1e5 * sum(one * two for one, two in pairs)


def metrics(assignments, budget=None):
    """Wider is better, and so are the right norms; beyond a trial's own budget nothing is trained."""
    worth = (
        sum(width**0.5 for width in widths(assignments))
        + (assignments["norm-0"] == "b")
        + (assignments["norm-1"] == "c")
    )
    costs = {"MACs": macs(assignments), "Parameters": 10 * sum(widths(assignments))}
    if budget is not None and costs["MACs"] > budget:
        worth = 0.0
    return {METRIC: repr(worth), **{name: repr(cost) for name, cost in costs.items()}}


def search(suggester, message, num_rounds, measure=metrics, trials=()):
    experiment, trials = converters.experiment(message), list(trials)
    for _ in range(num_rounds):
        for one in suggester.suggest(experiment, trials, 3, len(trials) + 3):
            name, condition = f"t-{len(trials):03}", TrialCondition.SUCCEEDED
            trials.append(Trial(name=name, condition=condition, assignments=one, metrics=measure(one)))
    return trials


def test_most_proposals_are_within_after_a_while_and_they_get_better(message):
    trials = search(EnasSuggester(1), message(budget="MACs<=4e6"), 16, lambda one: metrics(one, budget=4e6))
    is_within = [macs(trial.assignments) <= 4e6 for trial in trials]
    assert sum(is_within[:6]) <= 2, "chance would do"
    assert sum(is_within[-18:]) >= 0.8 * 18
    best = [float(trial.metrics[METRIC]) for trial in trials]
    assert max(best[-18:]) >= max(best[:12])
    assert max(best) >= 9


def test_without_a_trial_s_own_budget_those_beyond_teach_their_accuracy(message):
    trials = search(EnasSuggester(1), message(budget=BUDGET), 12)
    assert sum(macs(trial.assignments) <= 4e6 for trial in trials[-15:]) >= 8


def test_a_front_is_searched_for_from_cheap_to_dear(message):
    trials = search(EnasSuggester(1), message(front="MACs"), 14)
    late = sorted(macs(trial.assignments) for trial in trials[-18:])
    assert late[0] < 2e6
    assert late[-1] > 1e7


def test_a_front_within_a_budget(message):
    trials = search(EnasSuggester(1), message(front="MACs", budget="MACs<=1e7"), 14)
    late = [macs(trial.assignments) for trial in trials[-15:]]
    assert sum(cost <= 1e7 for cost in late) >= 12
    assert min(late) < 2e6


def test_minimising_a_loss_of_a_billion_beyond_the_budget_is_no_lesson(message):
    def losses(one):
        found = metrics(one)
        worth = 1e9 if macs(one) > 4e6 else 12 - float(found[METRIC])
        return found | {METRIC: repr(worth)}

    asked = message(budget="MACs<=4e6")
    asked.spec.objective.type = api_pb2.MINIMIZE
    trials = search(EnasSuggester(1), asked, 14, losses)
    assert sum(macs(trial.assignments) <= 4e6 for trial in trials[-15:]) >= 12


def test_a_trial_without_its_cost_is_told_of_and_teaches_the_objective(message, caplog):
    def without(one):
        return {METRIC: metrics(one)[METRIC]}

    suggester = EnasSuggester(1)
    with caplog.at_level(logging.WARNING):
        trials = search(suggester, message(budget="MACs<=4e6"), 12, without)
    assert sum("has no MACs" in record.getMessage() for record in caplog.records) == 33
    values = [float(trial.metrics[METRIC]) for trial in trials]
    assert sum(values[-6:]) > sum(values[:6])


def test_a_budget_that_nothing_meets_is_told_once_with_the_cheapest_seen(message, caplog):
    with caplog.at_level(logging.WARNING):
        trials = search(EnasSuggester(1), message(budget="MACs<=1e5"), 9)
    told = [record.getMessage() for record in caplog.records if "is within the budget" in record.getMessage()]
    assert len(told) == 1
    cheapest = min(macs(trial.assignments) for trial in trials[:12])
    assert f"none of 12 trials is within the budget MACs<=100000; the cheapest seen: MACs {cheapest:g}" in told[0]
    costs = [macs(trial.assignments) for trial in trials]
    assert max(costs[-6:]) < statistics.median(costs[:12])


@pytest.mark.parametrize("settings", [{"budget": "MACs<=4e6"}, {"front": "MACs", "budget": "Parameters<=200"}])
def test_a_new_process_goes_on_bit_for_bit(message, tmp_path, settings):
    unbroken = search(EnasSuggester(1, CheckpointStore(tmp_path / "a")), message(**settings), 6)
    trials = []
    for _ in range(6):
        trials = search(EnasSuggester(1, CheckpointStore(tmp_path / "b")), message(**settings), 1, trials=trials)
    assert trials == unbroken


def test_another_budget_is_another_search(message, tmp_path, caplog):
    trials = search(EnasSuggester(1, CheckpointStore(tmp_path)), message(budget="MACs<=4e6"), 3)
    with caplog.at_level(logging.WARNING):
        search(EnasSuggester(1, CheckpointStore(tmp_path)), message(budget="MACs<=3e6"), 1, trials=trials)
    assert any("other settings" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget": "FLOPs<=3"}, "algorithmSettings.budget: 'FLOPs' .*one of additionalMetricNames, MACs, Parameters"),
        ({"budget": f"{METRIC}<=3"}, f"'{METRIC}' is not allowed: a cost must be one of"),
        ({"budget": "MACs<3"}, "'MACs<3' is not allowed: <= is missing"),
        ({"budget": "MACs>=3"}, "<= is missing"),
        ({"budget": ""}, "<= is missing"),
        ({"budget": "MACs<=3,"}, "<= is missing"),
        ({"budget": "<=3"}, "no cost is named before <="),
        ({"budget": "MACs<=few"}, "'few' is not allowed: MACs must be bounded by a number above 0"),
        ({"budget": "MACs<=0"}, "a number above 0"),
        ({"budget": "MACs<=-1"}, "a number above 0"),
        ({"budget": "MACs<=1e999"}, "a number above 0"),
        ({"budget": "MACs<=3, MACs<=4"}, "'MACs<=4' is not allowed: MACs<=3 stands there, too"),
        ({"front": "MACs, Parameters"}, "algorithmSettings.front: .*the name of one cost"),
        ({"front": "Latency"}, "algorithmSettings.front: 'Latency' .*one of additionalMetricNames"),
        ({"front": ""}, "the name of one cost"),
    ],
)
def test_a_wrong_budget_or_front_is_refused(message, settings, said):
    with pytest.raises(InvalidExperiment, match=said):
        EnasSuggester(1).validate(converters.experiment(message(**settings)))


def test_without_additional_metrics_there_is_no_cost(build):
    asked = build.enas(settings={"budget": "MACs<=3"})
    with pytest.raises(InvalidExperiment, match="of which there are none"):
        EnasSuggester(1).validate(converters.experiment(asked))
