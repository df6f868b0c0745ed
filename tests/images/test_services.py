"""The services inside Katib's stock limits, as a stranger among users, with nothing to write on."""

import ast
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from katib_suggestion.wire import api_pb2

Service = Callable[..., AbstractContextManager[Any]]

LIMITS = {"darts-service": "--memory=100m", "enas-service": "--memory=400m"}
START_S = {"darts-service": 10, "enas-service": 20}
HALF_A_CPU = "--cpus=0.5"


@pytest.mark.parametrize("name", LIMITS)
def test_health_within_the_limits_and_an_orderly_end(service: Service, engine: Any, name: str) -> None:
    with service(name, LIMITS[name]) as container:
        container.wait_until_serving(START_S[name])
        # PID 1 gets no signal that it does not handle: without a handler the engine would have to kill it.
        assert engine("stop", "--time", "30", container.name).returncode == 0
        state = container.state()
    assert state["ExitCode"] == 0
    assert state["OOMKilled"] is False


def operations(build: Any) -> list[api_pb2.Operation]:
    """The search space of Katib's own GPU example: 30 + 60 + 12 + 4 operations."""

    def values(name: str, *texts: str) -> api_pb2.ParameterSpec:
        spec: api_pb2.ParameterSpec = build.parameter(name, api_pb2.CATEGORICAL, list=texts)
        return spec

    sizes, strides, multipliers = (
        values("filter_size", "3", "5", "7"),
        values("stride", "1", "2"),
        values("depth_multiplier", "1", "2"),
    )
    filters = values("num_filter", "32", "48", "64", "96", "128")
    pools = build.parameter("pool_size", api_pb2.INT, min="2", max="3", step="1")
    return [
        build.operation("convolution", sizes, filters, strides),
        build.operation("separable_convolution", sizes, filters, strides, multipliers),
        build.operation("depthwise_convolution", sizes, strides, multipliers),
        build.operation("reduction", values("reduction_type", "max_pooling", "avg_pooling"), pools),
    ]


def test_enas_gives_three_rounds_of_suggestions(service: Service, build: Any) -> None:
    experiment = build.enas(*operations(build), name="stock-limits", num_layers=12)
    trials: list[api_pb2.Trial] = []
    with service("enas-service", LIMITS["enas-service"], HALF_A_CPU) as container:
        container.wait_until_serving(60)
        container.stub.ValidateAlgorithmSettings(
            api_pb2.ValidateAlgorithmSettingsRequest(experiment=experiment), timeout=60
        )
        for round_number in range(3):
            # Katib's own deadline.
            reply = container.stub.GetSuggestions(build.request(experiment, 3, trials), timeout=60)
            for assignments in build.assignments(reply):
                architecture = ast.literal_eval(assignments["architecture"])
                assert [len(row) for row in architecture] == list(range(1, 13))
                name = f"trial-{len(trials)}"
                trials.append(build.trial(name, assignments, {"Validation-Accuracy": f"0.{5 + round_number}"}))
        state = container.state()
    assert len(trials) == 9
    assert state["Running"] is True
    assert state["OOMKilled"] is False


def test_darts_answers(service: Service, build: Any) -> None:
    experiment = build.darts()
    with service("darts-service", LIMITS["darts-service"], HALF_A_CPU) as container:
        container.wait_until_serving(60)
        for _ in range(3):
            reply = container.stub.GetSuggestions(build.request(experiment, 1), timeout=60)
            assert {*build.assignments(reply)[0]} == {"algorithm-settings", "search-space", "num-layers"}
        assert container.state()["OOMKilled"] is False


@pytest.mark.parametrize("mode", ["0755", "0700"])
def test_enas_goes_on_without_a_volume_that_it_may_not_write(service: Service, build: Any, mode: str) -> None:
    experiment = build.enas(name="not-writable")
    # A volume of root's, as some storage classes give it where no fsGroup is set.
    volume = f"--tmpfs=/opt/katib/data:mode={mode}"
    with service("enas-service", LIMITS["enas-service"], volume) as container:
        container.wait_until_serving(60)
        reply = container.stub.GetSuggestions(build.request(experiment, 1), timeout=60)
        assert len(build.assignments(reply)) == 1
        assert "its state could not be saved" in container.log()
