"""Searches within a budget over real gRPC, in every space."""

import json
import re

import grpc
import pytest

from katib_suggestion.wire import api_pb2

COST = "MACs"
NUM_ROUNDS = 10


def cost(assignments):
    """Nearly additive, as real costs are: of the numbers in an architecture's text, or of plain parameters."""
    texts = [assignments["architecture"]] if "architecture" in assignments else assignments.values()
    return sum(int(number) for text in texts for number in re.findall(r"\d+", text)) ** 1.2


def searched(service, build, experiment, limit):
    """Costs of what is proposed, three at a time: dearer is better, but beyond the limit nothing is trained."""
    objective = experiment.spec.objective
    untrained, sign = (1e9, -1) if objective.type == api_pb2.MINIMIZE else (0.0, 1)
    trials, costs = [], []
    for _ in range(NUM_ROUNDS):
        reply = service.stub.GetSuggestions(build.request(experiment, 3, trials), timeout=60)
        for one in build.assignments(reply):
            costs.append(cost(one))
            worth = untrained if costs[-1] > limit else sign * costs[-1]
            metrics = {objective.objective_metric_name: repr(worth), COST: repr(costs[-1])}
            trials.append(build.trial(f"t-{len(trials):03}", one, metrics))
    return costs


@pytest.fixture
def asked_for(build):
    """A search in one of the spaces."""

    def make(kind, **settings):
        if kind == "plain":
            widths = [build.parameter(f"w{n}", api_pb2.DISCRETE, list=["1", "2", "4", "8"]) for n in range(6)]
            made = build.plain(*widths, settings=settings)
        else:
            made = getattr(build, kind)(settings=settings)
        made.name = f"budget-{kind}-{len(json.dumps(settings))}"
        made.spec.objective.additional_metric_names.append(COST)
        return made

    return make


@pytest.mark.parametrize(("kind", "limit"), [("plain", 25), ("enas", 7), ("micro", 100), ("recurrent", 35)])
def test_in_every_space_proposals_come_to_be_within(enas_service, build, asked_for, kind, limit):
    """A tenth to a fifth of all networks is."""
    experiment = asked_for(kind, budget=f"{COST}<={limit}")
    checked = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    enas_service.stub.ValidateAlgorithmSettings(checked, timeout=60)
    costs = searched(enas_service, build, experiment, limit)
    assert sum(one <= limit for one in costs[-12:]) >= 7


def test_a_budget_that_nothing_meets_is_told_with_the_cheapest_seen(enas_service, build, asked_for):
    experiment = asked_for("plain", budget=f"{COST}<=2")
    searched(enas_service, build, experiment, 2)
    log = enas_service.log.read_text()
    told = rf"{experiment.name}: none of 12 trials is within the budget MACs<=2; the cheapest seen: MACs [\d.]+\n"
    assert len(re.findall(told, log)) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget": "Energy<=5"}, r"algorithmSettings\.budget: 'Energy' .*one of additionalMetricNames, MACs"),
        ({"budget": "MACs=5e6"}, r"algorithmSettings\.budget: 'MACs=5e6' .*<= is missing"),
        ({"budget": "MACs<=NaN"}, r"algorithmSettings\.budget: 'NaN' .*MACs must be bounded by a number above 0"),
        ({"budget": "MACs<=5M"}, r"algorithmSettings\.budget: '5M' .*such as 5e6"),
        ({"budget": "MACs<=5, MACs<=6"}, r"algorithmSettings\.budget: 'MACs<=6' .*MACs<=5 stands there, too"),
        ({"front": "MACs, Parameters"}, r"algorithmSettings\.front: 'MACs, Parameters' .*the name of one cost"),
        ({"front": "Validation-Accuracy"}, r"algorithmSettings\.front: .*one of additionalMetricNames, MACs"),
    ],
)
def test_a_wrong_budget_or_front_is_refused_by_both_calls(enas_service, build, asked_for, settings, said):
    experiment = asked_for("enas", **settings)
    checked = api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment)
    for call, request in (
        (enas_service.stub.ValidateAlgorithmSettings, checked),
        (enas_service.stub.GetSuggestions, build.request(experiment, 1)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=60)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert re.match(said, caught.value.details())
