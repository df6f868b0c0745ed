"""What the searches tell Prometheus, over real gRPC and HTTP."""

import time

import pytest

from katib_suggestion.wire import api_pb2

METRIC = "Validation-Accuracy"


def gauges(samples, experiment):
    prefix, labels = "katib_nas_enas_", ("experiment", experiment)
    return {name.removeprefix(prefix): value for (name, *rest), value in samples.items() if rest == [labels]}


def test_each_experiments_search_is_told(start_service, scrape, build):
    service = start_service("enas_service", "--seed", "1", "--metrics-port", "0")
    service.wait_until_serving()
    for name, sign in (("larger", 1), ("smaller", -1)):
        experiment = build.enas(name=name)
        if sign < 0:
            experiment.spec.objective.type = api_pb2.MINIMIZE
        first = build.assignments(service.stub.GetSuggestions(build.request(experiment, 3)))
        assert gauges(scrape(service.metrics_port), name) == {"trials_seen": 0}
        trials = [build.trial(f"t{index}", one, {METRIC: str(sign * index)}) for index, one in enumerate(first)]
        service.stub.GetSuggestions(build.request(experiment, 3, trials))
        told = gauges(scrape(service.metrics_port), name)
        # The policy is trained after the reply.
        deadline_s = time.monotonic() + 30
        while "entropy_nats" not in told and time.monotonic() < deadline_s:
            time.sleep(0.05)
            told = gauges(scrape(service.metrics_port), name)
        assert (told["trials_seen"], told["best_reward"]) == (3, 2 * sign)
        # Four layers of five operations and six joins, of a policy that has hardly moved.
        assert told["entropy_nats"] == pytest.approx(4 * 1.609 + 6 * 0.693, rel=0.05)
        # From a half towards the target of .4.
        assert 0.35 < told["skip_rate"] < 0.5
    samples = scrape(service.metrics_port)
    assert samples["katib_nas_calls_total", ("code", "OK"), ("method", "GetSuggestions")] == 4


def test_without_the_flag_there_are_none(enas_service):
    assert "metrics on port" not in enas_service.log.read_text()
