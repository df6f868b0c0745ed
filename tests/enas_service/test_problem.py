import logging

import pytest

from enas_service.policies import joins, sequences
from enas_service.problem import Problem
from enas_service.suggester import EnasSuggester
from katib_suggestion import api_pb2, converters
from katib_suggestion.errors import InvalidExperiment


@pytest.fixture
def plain(build):
    return build.plain(
        build.parameter("lr", api_pb2.DOUBLE, min="0.01", max="0.03"),
        build.parameter("optimizer", api_pb2.CATEGORICAL, list=["sgd", "adam", "ftrl"]),
        settings={"controller_skip_target": "0.5", "controller_train_steps": "3"},
    )


def test_nas_config_is_answered_with_architectures_and_parameters_with_values(build, plain):
    assert isinstance(Problem.of(converters.experiment(build.enas())).form, joins.Form)
    form = Problem.of(converters.experiment(plain)).form
    assert isinstance(form, sequences.Form)
    assert form.counts == (16, 3)


def test_both_or_neither_are_refused(build, plain):
    both, neither = build.enas(), build.enas()
    both.spec.parameter_specs.CopyFrom(plain.spec.parameter_specs)
    neither.spec.ClearField("nas_config")
    for message, given in ((both, "both"), (neither, "neither")):
        with pytest.raises(InvalidExperiment, match=f"^spec: '{given}' .*exactly one of nasConfig and parameters"):
            Problem.of(converters.experiment(message))


def test_an_empty_nas_config_beside_parameters_is_none(plain):
    plain.spec.nas_config.graph_config.SetInParent()
    assert Problem.of(converters.experiment(plain)).space.where == "parameters"


def test_the_log_says_once_which_values_were_made_and_what_means_nothing(plain, caplog):
    suggester, experiment = EnasSuggester(1), converters.experiment(plain)
    with caplog.at_level(logging.INFO):
        for total in (1, 2):
            suggester.suggest(experiment, [], 1, total)
    said = [record.getMessage() for record in caplog.records]
    assert sum("plain: lr: of its range these are tried, even: 0.01, 0.01133" in line for line in said) == 1
    assert [line for line in said if "means nothing" in line] == [
        "plain: controller_skip_target means nothing here: there are no joins"
    ]


def test_other_values_of_a_parameter_are_another_problem(plain):
    first = Problem.of(converters.experiment(plain))
    plain.spec.parameter_specs.parameters[0].feasible_space.max = "0.04"
    second = Problem.of(converters.experiment(plain))
    assert first != second
    assert first.fingerprint != second.fingerprint
