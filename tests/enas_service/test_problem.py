import logging

import pytest

from enas_service.policies import cells, joins, sequences
from enas_service.problem import Problem
from enas_service.suggester import EnasSuggester
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.wire import api_pb2, converters


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


def test_search_for_says_what_is_searched_under_nas_config(build):
    assert isinstance(Problem.of(converters.experiment(build.enas(settings={"search_for": "macro"}))).form, joins.Form)
    micro = Problem.of(converters.experiment(build.micro(settings={"num_nodes": "4"})))
    recurrent = Problem.of(converters.experiment(build.recurrent()))
    assert isinstance(micro.form, cells.Form)
    assert isinstance(recurrent.form, cells.Form)
    assert (micro.form.num_cells, micro.form.num_nodes, micro.form.num_operations) == (2, 4, 5)
    assert (recurrent.form.num_cells, recurrent.form.num_nodes, recurrent.form.num_operations) == (1, 8, 4)
    for problem in (micro, recurrent):
        assert problem.form.num_decisions == len(problem.space.counts)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"search_for": "mikro"}, "algorithmSettings.search_for: 'mikro' is not allowed: did you mean micro? it must"),
        (
            {"num_nodes": "5"},
            "algorithmSettings.num_nodes: '5' is not allowed: it is for search_for micro and recurrent",
        ),
        (
            {"search_for": "micro", "num_nodes": "0"},
            "algorithmSettings.num_nodes: '0' is not allowed: it must be an int",
        ),
        (
            {"search_for": "micro", "num_nodes": "65"},
            "algorithmSettings.num_nodes: '65' is not allowed: it must be an in",
        ),
        (
            {"search_for": "micro", "num_nodes": "None"},
            "algorithmSettings.num_nodes: 'None' is not allowed: it must be",
        ),
    ],
)
def test_what_is_searched_must_be_known_and_fit_what_else_is_said(build, settings, said):
    message = build.enas(settings=settings)
    with pytest.raises(InvalidExperiment) as caught:
        Problem.of(converters.experiment(message))
    assert any(str(fault).startswith(said) for fault in caught.value.faults)


@pytest.mark.parametrize("name", ["search_for", "num_nodes"])
def test_settings_of_a_network_are_refused_beside_parameters(plain, name):
    plain.spec.algorithm.algorithm_settings.add(name=name, value={"search_for": "macro", "num_nodes": "5"}[name])
    with pytest.raises(
        InvalidExperiment, match=rf"^algorithmSettings\.{name}: .* plain parameters are searched as they"
    ):
        Problem.of(converters.experiment(plain))


def test_a_space_is_read_whatever_is_wrong_with_other_settings(build):
    message = build.micro(num_layers=1, settings={"num_nodes": "3", "controller_train_steps": "0"})
    with pytest.raises(InvalidExperiment) as caught:
        Problem.of(converters.experiment(message))
    assert [fault.field for fault in caught.value.faults] == [
        "algorithmSettings.controller_train_steps", "nasConfig.graphConfig.numLayers",
    ]  # fmt: skip


def test_more_nodes_than_a_call_has_room_for_are_refused(build):
    with pytest.raises(
        InvalidExperiment, match=r"^nasConfig: 'micro cells of 64 nodes, 5 operations, .*--max-memory rai"
    ):
        Problem.of(converters.experiment(build.micro(settings={"num_nodes": "64"})))


@pytest.mark.parametrize("kind", ["micro", "recurrent"])
def test_the_log_says_that_cells_have_no_joins(build, kind):
    message = getattr(build, kind)(settings={"controller_skip_target": "0.5", "controller_skip_weight": "None"})
    assert Problem.of(converters.experiment(message)).notes == (
        "controller_skip_target means nothing here: there are no joins",
        "controller_skip_weight means nothing here: there are no joins",
    )


def test_problems_that_0_1_0_knew_are_found_in_its_checkpoints(build):
    """Whose names are hashes of what follows; settings that came later are in it only where they are given."""
    plain = Problem.of(converters.experiment(build.enas()))
    as_given = Problem.of(converters.experiment(build.enas(settings={"search_for": "macro"})))
    assert plain.fingerprint == as_given.fingerprint == Problem.of(converters.experiment(build.enas())).fingerprint
    assert "search_for" not in plain.described
    assert (
        "search_for='micro', num_nodes=3"
        in Problem.of(converters.experiment(build.micro(settings={"num_nodes": "3"}))).described
    )


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
