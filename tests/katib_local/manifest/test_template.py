"""From a template and assignments to a command."""

import json
from typing import Any

import pytest

from katib_local.errors import TrialError
from katib_local.manifest import template
from katib_local.manifest.experiment import TrialParameter, TrialTemplate


def make(
    container: dict[str, Any],
    parameters: dict[str, str] | None = None,
    metadata: dict[str, Any] | None = None,
    job: dict[str, Any] | None = None,
) -> TrialTemplate:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i", **container}]}}
    resource = {"apiVersion": "batch/v1", "kind": "Job", "spec": {**(job or {}), "template": pod}}
    if metadata:
        resource["metadata"] = metadata
    return TrialTemplate(
        container="main",
        parameters=tuple(TrialParameter(name=key, reference=value) for key, value in (parameters or {}).items()),
        spec=json.dumps(resource),
    )


def argv(made: TrialTemplate, assignments: dict[str, str] | None = None) -> tuple[str, ...]:
    template.check(made)
    return template.render(made, "t-1", "team", assignments or {}).argv


def test_command_and_arguments_are_joined_for_a_shell() -> None:
    made = make(
        {"command": ["python3", "run_trial.py"], "args": ['--x="${trialParameters.a}"', "-n", "${trialParameters.b}"]},
        {"a": "first", "b": "second"},
    )
    assert argv(made, {"first": "['p', 'q']", "second": "3"}) == (
        "sh",
        "-c",
        "python3 run_trial.py --x=\"['p', 'q']\" -n 3",
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sh", "-c", "echo a; echo b"], ("sh", "-c", "echo a; echo b")),
        (["bash", "-c", "echo", "b"], ("bash", "-c", "echo b")),
        (["sh", "-c"], ("sh", "-c", "sh -c")),
        (["/bin/sh", "-c", "true"], ("sh", "-c", "/bin/sh -c true")),
    ],
)
def test_a_shell_of_the_manifests_own_is_kept_as_katib_does(command: list[str], expected: tuple[str, ...]) -> None:
    assert argv(make({"command": command})) == expected


def test_a_value_that_looks_like_a_placeholder_stays_as_it_is() -> None:
    made = make({"command": ["echo", "${trialParameters.a}", "${trialParameters.b}"]}, {"a": "x", "b": "y"})
    assert argv(made, {"x": "${trialParameters.b}", "y": "1"})[2] == "echo ${trialParameters.b} 1"


def test_references_to_the_trial_itself_are_no_assignments() -> None:
    parameters = {
        "name": "${trialSpec.Name}",
        "space": "${trialSpec.Namespace}",
        "kind": "${trialSpec.Kind}",
        "version": "${trialSpec.APIVersion}",
        "label": "${trialSpec.Labels[team/name]}",
        "note": "${trialSpec.Annotations[note]}",
        "value": "x",
    }
    metadata = {"labels": {"team/name": "blue"}, "annotations": {"note": "hi"}}
    words = [f"${{trialParameters.{name}}}" for name in parameters]
    made = make({"command": ["echo", *words]}, parameters, metadata)
    assert template.assignment_names(made.parameters) == {"x"}
    assert argv(made, {"x": "1"})[2] == "echo t-1 team Job batch/v1 blue hi 1"


@pytest.mark.parametrize("value", ['a"b', "a\\", "a\nb", "\x00"])
def test_a_value_that_breaks_the_resource_is_an_error_of_its_trial(value: str) -> None:
    made = make({"command": ["echo", "${trialParameters.a}"]}, {"a": "x"})
    with pytest.raises(TrialError, match="no JSON once its values are filled in"):
        template.render(made, "t-1", "team", {"x": value})


def test_a_value_that_smuggles_a_field_in_is_an_error_of_its_trial() -> None:
    made = make({"command": ["echo", "${trialParameters.a}"]}, {"a": "x"})
    with pytest.raises(TrialError, match="workingDir"):
        template.render(made, "t-1", "team", {"x": '1"], "workingDir": "/", "args": ["'})


@pytest.mark.parametrize("value", [r"\u0000", r"\ud800"])
@pytest.mark.parametrize("where", [{"command": ["${trialParameters.a}"]}, {"env": [{"name": "${trialParameters.a}"}]}])
def test_a_value_that_no_process_can_be_given_is_an_error_of_its_trial(where: dict[str, Any], value: str) -> None:
    made = make({"command": ["echo"], **where}, {"a": "x"})
    with pytest.raises(TrialError, match="no NUL, and no half of a surrogate pair"):
        template.render(made, "t-1", "team", {"x": value})


@pytest.mark.parametrize("assignments", [{}, {"x": "1", "y": "2"}, {"y": "1"}])
def test_assignments_and_references_must_match(assignments: dict[str, str]) -> None:
    made = make({"command": ["echo", "${trialParameters.a}"]}, {"a": "x"})
    with pytest.raises(TrialError, match=r"are not those that the template needs, \['x'\]"):
        template.render(made, "t-1", "team", assignments)


def test_variables_are_expanded_as_kubernetes_does() -> None:
    environment = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}, {"name": "EMPTY"}]
    command = ["echo", "$(A)", "$(B)", "$(EMPTY)", "$(NOT)", "$$(A)", "$HOME", "$$"]
    rendered = template.render(make({"command": command, "env": environment}), "t-1", "team", {})
    assert rendered.argv[2] == "echo 1 12  $(NOT) $(A) $HOME $"
    # What stands in the brackets of no variable stays, an escape too; without the second one it is none.
    command = ["$(echo $$)", "$(A $$ $(A))", "$(a", "$$", "$(A)$$$(A)", "$("]
    rendered = template.render(make({"command": command, "env": environment}), "t-1", "team", {})
    assert rendered.argv[2] == "$(echo $$) $(A $$ $(A)) $(a $ 1$1 $("
    assert rendered.environment == {"A": "1", "B": "12", "EMPTY": ""}


def test_what_this_machine_does_not_heed_is_named() -> None:
    made = make({"command": ["true"], "resources": {"limits": {"cpu": 1}}}, job={"backoffLimit": 3})
    assert template.check(made).unmet == ("backoffLimit", "resources")


def test_a_jobs_deadline_is_heeded() -> None:
    found = template.check(make({"command": ["true"]}, job={"activeDeadlineSeconds": 3}))
    assert (found.deadline_s, found.unmet) == (3, ())
    assert template.check(make({"command": ["true"]})).deadline_s is None
