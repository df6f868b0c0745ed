"""A report of an Experiment on a cluster, from its own object, its Trials' and its Suggestion's."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from katib_cluster import bounded_yaml, connection, custom_objects
from katib_cluster.connection import TIMEOUT_S, failing
from katib_cluster.custom_objects import EXPERIMENT_LABEL, GROUP, VERSION
from katib_cluster.errors import ClusterError
from katib_local.manifest import document, manifest, search_budget, search_space
from katib_local.manifest.checks import given
from katib_local.manifest.experiment import Objective, Strategy
from katib_local.manifest.resources import V1beta1Experiment, V1beta1Suggestion, V1beta1Trial
from katib_local.record import collector
from katib_local.record.trials import Trial
from katib_local.report.model import Report, TrialReport
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import TrialCondition

CONDITIONS = {
    "Killed": TrialCondition.KILLED,
    "EarlyStopped": TrialCondition.EARLY_STOPPED,
    "MetricsUnavailable": TrialCondition.METRICS_UNAVAILABLE,
    "Failed": TrialCondition.FAILED,
    "Succeeded": TrialCondition.SUCCEEDED,
    "Running": TrialCondition.RUNNING,
    "Created": TrialCondition.CREATED,
}
"""Conditions that Katib sets, the one that decides first: a trial keeps those that it has gone through."""

_ABSENT = (
    "The objects of a cluster keep one value of each metric: the curves over time, the controller's entropy and skip "
    "rate, and the alphas are not among them, nor are the versions of what ran."
)


def read(name: str, namespace: str, context: str | None) -> Report:
    """Read an Experiment as it stands.

    Args:
        name: of the Experiment.
        namespace: where it is.
        context: of the kubeconfig; None for the current one or, inside a pod, its service account.

    Raises:
        ClusterError: the cluster cannot be reached, refuses, or has no such Experiment.
    """
    connection.load(context)
    return of(client.CustomObjectsApi(), name, namespace)


def of(api: Any, name: str, namespace: str, trial: str | None = None) -> Report:
    """Read an Experiment by a client that is there already.

    Args:
        api: a ``CustomObjectsApi``; what its methods return is typed as object.
        name: of the Experiment.
        namespace: where it is.
        trial: the one trial that is read, none where it is another Experiment's; None for all.

    Raises:
        ClusterError: see `read`; or there is no such trial.
    """
    what = f"experiment {name} in namespace {namespace}"
    place = (GROUP, VERSION, namespace)
    with failing(f"{what} cannot be read"):
        found = api.get_namespaced_custom_object(*place, "experiments", name, _request_timeout=TIMEOUT_S)
        suggestion = _suggestion(api, namespace, name)
    try:
        with failing(f"the trials of {what} cannot be read"):
            objects = _listed(api, namespace, name) if trial is None else _one(api, namespace, name, trial)
            return _report(found, objects, suggestion)
    except InvalidExperiment as error:
        raise ClusterError(f"{what} is not as Katib writes it: {error}") from error


def _listed(api: Any, namespace: str, name: str) -> Iterator[dict[str, Any]]:
    """The trials of an Experiment; of a thousand no more than a page is there at a time."""
    for page in custom_objects.pages(api, namespace, "trials", f"{EXPERIMENT_LABEL}={name}"):
        yield from page["items"]


def _one(api: Any, namespace: str, name: str, trial: str) -> Iterator[dict[str, Any]]:
    """One of its trials; nothing where it is another Experiment's."""
    found = api.get_namespaced_custom_object(GROUP, VERSION, namespace, "trials", trial, _request_timeout=TIMEOUT_S)
    if (found["metadata"].get("labels") or {}).get(EXPERIMENT_LABEL) == name:
        yield found


def _suggestion(api: Any, namespace: str, name: str) -> dict[str, Any]:
    """The Suggestion, which has the Experiment's name; an empty one where Katib has not made it yet."""
    try:
        found: dict[str, Any] = api.get_namespaced_custom_object(
            GROUP, VERSION, namespace, "suggestions", name, _request_timeout=TIMEOUT_S
        )
    except ApiException as error:
        if error.status != 404:
            raise
        return {}
    return found


def _report(found: dict[str, Any], trials: Iterable[dict[str, Any]], suggestion: dict[str, Any]) -> Report:
    experiment = document.parse(V1beta1Experiment, found)
    spec = given(experiment.spec, "spec")
    algorithm = given(spec.algorithm, "spec.algorithm")
    status = document.parse(V1beta1Suggestion, suggestion).status
    objective = manifest.read_objective(given(spec.objective, "spec.objective"))
    asked = [(setting.name, setting.value) for setting in algorithm.algorithm_settings or []]
    objective = replace(objective, budget=search_budget.of(algorithm.algorithm_name, asked))
    name, namespace = experiment.metadata.name, experiment.metadata.namespace
    order = {item.name: number for number, item in enumerate((status and status.suggestions) or [], start=1)}
    settings = [*(algorithm.algorithm_settings or []), *((status and status.algorithm_settings) or [])]
    written = {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {"name": name, "namespace": namespace},
        "spec": found["spec"],
    }
    return Report(
        name=name,
        namespace=namespace,
        source=f"experiment {name} in namespace {namespace}",
        state=_state(experiment),
        started=experiment.status.start_time if experiment.status else None,
        written=datetime.now(UTC),
        objective=objective,
        algorithm=algorithm.algorithm_name or "",
        settings=tuple({item.name or "": item.value or "" for item in settings}.items()),
        parameters=search_space.read(spec)[1],
        trials=tuple(TrialReport(trial=trial) for trial in _trials(trials, order, objective)),
        command=f"kubectl apply -f {name}.yaml",
        manifest=yaml.dump(written, Dumper=bounded_yaml.Dumper, sort_keys=False, allow_unicode=True),
        absent=(_ABSENT,),
    )


def _state(experiment: V1beta1Experiment) -> str:
    """The latest condition that holds, in Katib's words."""
    conditions = (experiment.status and experiment.status.conditions) or []
    holding = [item for item in conditions if item.status == "True"]
    if not holding:
        return "was not looked at by Katib yet"
    return holding[-1].message or str(holding[-1].type)


def _trials(objects: Iterable[dict[str, Any]], order: Mapping[str | None, int], objective: Objective) -> list[Trial]:
    """In the order of the suggestions, and those that are in none after them, the oldest first."""
    read = [
        (item["metadata"].get("creationTimestamp", ""), _trial(document.parse(V1beta1Trial, item), objective))
        for item in objects
    ]
    read.sort(key=lambda pair: (order.get(pair[1].name, len(order) + 1), pair[0]))
    return [
        replace(trial, number=order.get(trial.name, len(order) + index))
        for index, (_, trial) in enumerate(read, start=1)
    ]


def _trial(resource: V1beta1Trial, objective: Objective) -> Trial:
    """A trial that has no number yet."""
    status = resource.status
    holding = {item.type: item for item in ((status and status.conditions) or []) if item.status == "True"}
    kind = next((kind for kind in CONDITIONS if kind in holding), None)
    condition = TrialCondition.UNKNOWN if kind is None else CONDITIONS[kind]
    is_troubled = kind in ("Killed", "EarlyStopped", "MetricsUnavailable", "Failed")
    return Trial(
        name=resource.metadata.name,
        number=0,
        condition=condition,
        assignments={item.name: item.value or "" for item in resource.spec.parameter_assignments or []},
        labels=resource.metadata.labels or {},
        reason=(holding[kind].message or "") if is_troubled else "",
        started=status.start_time if status else None,
        finished=status.completion_time if status else None,
        observation=_observation(resource, objective),
    )


def _observation(resource: V1beta1Trial, objective: Objective) -> dict[str, str] | None:
    """Each metric's value by its strategy, as Katib's controller takes it: of a text the latest."""
    observation = resource.status.observation if resource.status else None
    values = {}
    for item in (observation and observation.metrics) or []:
        strategy = objective.strategies.get(item.name, Strategy.LATEST)
        extreme = {Strategy.MIN: item.min, Strategy.MAX: item.max}.get(strategy)
        if value := first_available(extreme, item.latest):
            values[item.name] = value
    return values if objective.metric in values else None


def first_available(*texts: str | None) -> str:
    """The first text that is a metric's value; empty where none is."""
    return next((text for text in texts if text and text != collector.UNAVAILABLE), "")
