"""An Experiment manifest becomes an `Experiment`, by the rules of Katib's webhook.

What Katib refuses is refused here; what Katib takes and this machine cannot do is refused by name; nothing is dropped.
"""

import contextlib
import difflib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from katib_cluster import bounded_yaml
from katib_cluster.bounded_yaml import UnreadableYaml
from katib_local.errors import ClusterOnly
from katib_local.manifest import (
    document,
    early_stopping,
    katib_rules,
    metrics_source,
    objects,
    search_budget,
    search_space,
    template,
)
from katib_local.manifest.checks import given, one_of, text
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import (
    Collector,
    Experiment,
    Objective,
    Strategy,
    TrialParameter,
    TrialTemplate,
)
from katib_local.manifest.resources import (
    V1beta1AlgorithmSpec,
    V1beta1Experiment,
    V1beta1ExperimentSpec,
    V1beta1ObjectiveSpec,
    V1beta1TrialParameterSpec,
    V1beta1TrialTemplate,
)
from katib_suggestion.errors import Faults, InvalidExperiment
from katib_suggestion.experiment import Direction
from katib_suggestion.files.user_paths import user_path
from katib_suggestion.parsing.settings import SUGGESTION_TRIAL_DIR

API_VERSION = "kubeflow.org/v1beta1"
DEFAULT_PARALLEL_TRIALS = 3
EDITABLE = ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount")
"""What Katib lets a user change in a running Experiment."""

STANDARD_INPUT = Path("-")
"""Stands for what is piped in."""

_EXAMPLES = (Path(__file__).parents[1] / "examples", Path(__file__).parents[2] / "examples")
"""Where an installed package has the examples, and where a checkout has them."""

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_RESUME_POLICIES = ("Never", "LongRunning", "FromVolume")
_JOB_CONDITIONS = {
    "successCondition": 'status.conditions.#(type=="Complete")#|#(status=="True")#',
    "failureCondition": 'status.conditions.#(type=="Failed")#|#(status=="True")#',
}
"""What Katib fills in for a Job, so what an Experiment read back from a cluster holds."""


def find(name: str) -> Path:
    """Return the path of the file of that name or, where there is none, of the example; `STANDARD_INPUT` stays."""
    found = (folder / f"{name}.yaml" for folder in _EXAMPLES)
    return next((path for path in (user_path(name), *found) if path.is_file()), user_path(name))


def load(path: Path) -> tuple[Experiment, Document]:
    """Read a manifest.

    Returns:
        the experiment, and the plain document it was read from.

    Raises:
        InvalidExperiment: naming the field, its value and what is allowed.
    """
    found = read(path)
    return parse(found), found


def read(path: Path) -> Document:
    """Read a manifest's plain document.

    Args:
        path: of a file, or `STANDARD_INPUT`.

    Raises:
        InvalidExperiment: see `load`.
    """
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb") as file:
            contents = bounded_yaml.text_of(file, str(path))
    except UnreadableYaml as error:
        raise InvalidExperiment(error.where, error.value, error.allowed) from error
    except OSError as error:
        examples = sorted({example.stem for folder in _EXAMPLES for example in folder.glob("*.yaml")})
        closest = difflib.get_close_matches(path.stem, examples, n=1)
        hint = f"did you mean {closest[0]}? " if closest else ""
        allowed = f"{hint}it must be a file, - for standard input, or the name of an example ({error.strerror})"
        raise InvalidExperiment("manifest", str(path), allowed) from error
    return objects.named(document.read(contents))


def parse(found: Document, *, is_new: bool = True) -> Experiment:
    """Check a document and turn it into an Experiment, with Katib's defaults.

    Args:
        found: the document.
        is_new: whether it has not run yet; one that has is not refused for what fails in Katib alone.

    Raises:
        InvalidExperiment: see `load`; it says all that is wrong.
    """
    template.check_kind(found)
    faults = Faults()
    for field, allowed in (("apiVersion", API_VERSION), ("kind", "Experiment")):
        with faults.noted():
            if found.get(field) != allowed:
                raise InvalidExperiment(field, found.get(field), f"it must be {allowed}")
    # The status is the cluster's own, of whatever version that is.
    found = {key: value for key, value in found.items() if key != "status"}
    with faults.noted():
        document.check_fields(V1beta1Experiment, found)
    with faults.noted():
        resource, wrong = document.parse_the_rest(V1beta1Experiment, found)
        for fault in wrong:
            with faults.noted():
                raise fault
        if is_new:
            with faults.noted():
                katib_rules.check(resource)
        # Nothing misses what was only left out.
        with faults.noted(but={fault.field for fault in wrong}):
            experiment = _experiment(resource)
    faults.raise_noted()
    return experiment


def _experiment(resource: V1beta1Experiment) -> Experiment:
    spec = given(resource.spec, "spec")
    faults = Faults()
    with faults.noted():
        name = _name(resource.metadata.name if resource.metadata else None)
    with faults.noted():
        # Here the service ends with the run, whatever the policy.
        one_of(spec.resume_policy or "Never", _RESUME_POLICIES, "spec.resumePolicy")
    with faults.noted():
        parallel, maximum, max_failed = _counts(spec)
    with faults.noted():
        algorithm, settings = _algorithm(given(spec.algorithm, "spec.algorithm"))
    with faults.noted():
        stopping = early_stopping.read(spec.early_stopping)
    with faults.noted():
        objective = read_objective(given(spec.objective, "spec.objective"))
    with faults.noted():
        nas, parameters = search_space.read(spec)
    with faults.noted():
        source, checked = _trials(spec)
    faults.raise_noted()
    return Experiment(
        name=name,
        namespace=(resource.metadata.namespace if resource.metadata else None) or "default",
        algorithm=algorithm,
        settings=settings,
        objective=replace(objective, budget=search_budget.of(algorithm, settings)),
        parallel_trials=parallel,
        max_trials=maximum,
        max_failed_trials=max_failed,
        nas=nas,
        parameters=parameters,
        collector=source,
        template=checked,
        early_stopping=stopping,
    )


def _name(name: str | None) -> str:
    if not name or not _NAME.fullmatch(name):
        allowed = "a name of RFC 1123: lower-case letters, digits and '-', a letter first, at most 63 characters"
        raise InvalidExperiment("metadata.name", name, allowed)
    return name


def _algorithm(spec: V1beta1AlgorithmSpec) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The algorithm's name and its settings; but for Katib's own setting these are for the service to check."""
    settings = []
    faults = Faults()
    with faults.noted():
        name = text(spec.algorithm_name, "spec.algorithm.algorithmName")
    for index, item in enumerate(spec.algorithm_settings or []):
        with faults.noted():
            setting = text(item.name, f"spec.algorithm.algorithmSettings[{index}].name")
            settings.append((setting, item.value or ""))
            if setting == SUGGESTION_TRIAL_DIR and item.value and not re.match("/+[^/]", item.value):
                allowed = "an absolute path with a folder, such as /opt/katib/trial"
                raise InvalidExperiment(f"spec.algorithm.algorithmSettings.{setting}", item.value, allowed)
    faults.raise_noted()
    return name, tuple(settings)


def _trials(spec: V1beta1ExperimentSpec) -> tuple[Collector, TrialTemplate]:
    """What trials are made from, and where their metrics come from."""
    faults = Faults()
    with faults.noted():
        source = metrics_source.collector(spec.metrics_collector_spec)
    with faults.noted():
        checked, container = _template(given(spec.trial_template, "spec.trialTemplate"))
    faults.raise_noted()
    if source.path is not None:
        metrics_source.check_relocatable(container, source.path)
    return source, checked


def _counts(spec: V1beta1ExperimentSpec) -> tuple[int, int | None, int | None]:
    """parallelTrialCount, maxTrialCount and maxFailedTrialCount, as Katib's webhook wants them."""
    parallel = DEFAULT_PARALLEL_TRIALS if spec.parallel_trial_count is None else spec.parallel_trial_count
    maximum, max_failed = spec.max_trial_count, spec.max_failed_trial_count
    counts = {
        "maxTrialCount": (maximum, 1),
        "parallelTrialCount": (parallel, 1),
        "maxFailedTrialCount": (max_failed, 0),
    }
    faults = Faults()
    for field, (value, least) in counts.items():
        with faults.noted():
            if value is not None and not least <= value < 2**31:
                raise InvalidExperiment(f"spec.{field}", value, f"it must be an integer from {least} to {2**31 - 1}")
            # A maximum of 0 is wrong in itself.
            if value is not None and maximum is not None and 1 <= maximum < value:
                default = f" (Katib's default is {DEFAULT_PARALLEL_TRIALS})" if field == "parallelTrialCount" else ""
                raise InvalidExperiment(f"spec.{field}", value, f"at most maxTrialCount, which is {maximum}{default}")
    faults.raise_noted()
    return parallel, maximum, max_failed


def read_objective(spec: V1beta1ObjectiveSpec) -> Objective:
    """Read spec.objective, with Katib's defaults.

    Raises:
        InvalidExperiment: see `load`.
    """
    faults = Faults()
    with faults.noted():
        direction = Direction(one_of(spec.type, Direction, "spec.objective.type"))
    with faults.noted():
        metric = text(spec.objective_metric_name, "spec.objective.objectiveMetricName")
    faults.raise_noted()
    additional = tuple(spec.additional_metric_names or [])
    if metric in additional or len(set(additional)) != len(additional) or "" in additional:
        allowed = f"other names than objectiveMetricName, {metric}, each once"
        raise InvalidExperiment("spec.objective.additionalMetricNames", list(additional), allowed)
    # Katib's defaulter follows the objective's type for the additional metrics too.
    default = Strategy.MAX if direction is Direction.MAXIMIZE else Strategy.MIN
    strategies = dict.fromkeys((metric, *additional), default)
    named: set[str] = set()
    for index, item in enumerate(spec.metric_strategies or []):
        where = f"spec.objective.metricStrategies[{index}]"
        with faults.noted():
            name = one_of(item.name, strategies, f"{where}.name")
            if name in named:
                raise InvalidExperiment(f"{where}.name", name, "the metric has a strategy already")
            named.add(name)
            strategies[name] = Strategy(one_of(item.value, Strategy, f"{where}.value"))
    faults.raise_noted()
    return Objective(
        metric=metric,
        direction=direction,
        goal=None if spec.goal is None else float(spec.goal),
        additional_metrics=additional,
        strategies=strategies,
    )


def _template(spec: V1beta1TrialTemplate) -> tuple[TrialTemplate, template.Container]:
    path = "spec.trialTemplate"
    faults = Faults()
    with faults.noted():
        if spec.config_map is not None:
            name = spec.config_map.config_map_name
            allowed = "there is no cluster to read it from; give the template as trialSpec"
            raise ClusterOnly(f"{path}.configMap", name, allowed)
    for field, value in (("successCondition", spec.success_condition), ("failureCondition", spec.failure_condition)):
        with faults.noted():
            if value and value != _JOB_CONDITIONS[field]:
                allowed = "a trial succeeds by exit code 0, as a Job does; leave it out"
                raise ClusterOnly(f"{path}.{field}", value, allowed)
    with faults.noted():
        container = text(spec.primary_container_name, f"{path}.primaryContainerName")
    with faults.noted():
        parameters = _trial_parameters(given(spec.trial_parameters, f"{path}.trialParameters"))
    if spec.config_map is None:
        with faults.noted():
            resource = given(spec.trial_spec, template.SPEC_PATH)
    faults.raise_noted()
    checked = TrialTemplate(
        container=container,
        parameters=parameters,
        spec=json.dumps(resource, ensure_ascii=False),
        # retain needs no heed: the files of a trial here are always kept.
        unmet=("primaryPodLabels",) if spec.primary_pod_labels else (),
    )
    return checked, template.check(checked)


def _trial_parameters(specs: Iterable[V1beta1TrialParameterSpec]) -> tuple[TrialParameter, ...]:
    parameters: list[TrialParameter] = []
    faults = Faults()
    for index, item in enumerate(specs):
        where = f"spec.trialTemplate.trialParameters[{index}]"
        with faults.noted():
            name, reference = text(item.name, f"{where}.name"), text(item.reference, f"{where}.reference")
            if "{" in name or "}" in name:
                raise InvalidExperiment(f"{where}.name", name, "no braces")
            if any(name == other.name for other in parameters):
                raise InvalidExperiment(f"{where}.name", name, "each name once")
            if any(reference == other.reference for other in parameters):
                raise InvalidExperiment(f"{where}.reference", reference, "each reference once")
            parameters.append(TrialParameter(name=name, reference=reference))
    faults.raise_noted()
    return tuple(parameters)
