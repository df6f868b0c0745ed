"""An Experiment manifest becomes an `Experiment`, by the rules of Katib's webhook.

What Katib refuses is refused here; what Katib takes and this machine cannot do is refused by name; nothing is dropped.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from katib_cluster import bounded_yaml
from katib_cluster.bounded_yaml import UnreadableYaml
from katib_local.manifest import document, metrics_source, template
from katib_local.manifest.checks import given, one_of, text
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import (
    Experiment,
    NasConfig,
    Objective,
    OperationSpec,
    ParameterSpec,
    Strategy,
    TrialParameter,
    TrialTemplate,
)
from katib_local.manifest.resources import (
    V1beta1Experiment,
    V1beta1ExperimentSpec,
    V1beta1ObjectiveSpec,
    V1beta1ParameterSpec,
    V1beta1TrialTemplate,
)
from katib_suggestion.errors import InvalidExperiment
from katib_suggestion.experiment import Direction
from katib_suggestion.settings import SUGGESTION_TRIAL_DIR

API_VERSION = "kubeflow.org/v1beta1"
DEFAULT_PARALLEL_TRIALS = 3
EDITABLE = ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount")
"""What Katib lets a user change in a running Experiment."""

_EXAMPLES = (Path(__file__).parents[1] / "examples", Path(__file__).parents[2] / "examples")
"""Where an installed package has the examples, and where a checkout has them."""

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_PARAMETER_TYPES = ("double", "int", "discrete", "categorical")
_DISTRIBUTIONS = ("uniform", "logUniform", "normal", "logNormal")
_RESUME_POLICIES = ("Never", "LongRunning", "FromVolume")
_JOB_CONDITIONS = {
    "successCondition": 'status.conditions.#(type=="Complete")#|#(status=="True")#',
    "failureCondition": 'status.conditions.#(type=="Failed")#|#(status=="True")#',
}
"""What Katib fills in for a Job, so what an Experiment read back from a cluster holds."""


def find(name: str) -> Path:
    """Return the path of the file of that name or, where there is none, of the example."""
    found = (folder / f"{name}.yaml" for folder in _EXAMPLES)
    return next((path for path in (Path(name), *found) if path.is_file()), Path(name))


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

    Raises:
        InvalidExperiment: see `load`.
    """
    try:
        with path.open("rb") as file:
            contents = bounded_yaml.text_of(file, str(path))
    except UnreadableYaml as error:
        raise InvalidExperiment(error.where, error.value, error.allowed) from error
    except OSError as error:
        raise InvalidExperiment(
            "manifest", str(path), f"it must be a file or the name of an example ({error.strerror})"
        ) from error
    return document.read(contents)


def parse(found: Document) -> Experiment:
    """Check a document and turn it into an Experiment, with Katib's defaults.

    Raises:
        InvalidExperiment: see `load`.
    """
    for field, allowed in (("apiVersion", API_VERSION), ("kind", "Experiment")):
        if found.get(field) != allowed:
            raise InvalidExperiment(field, found.get(field), f"it must be {allowed}")
    document.check_fields(V1beta1Experiment, found)
    resource = document.parse(V1beta1Experiment, found)
    name = resource.metadata.name if resource.metadata else None
    if not name or not _NAME.fullmatch(name):
        allowed = "a name of RFC 1123: lower-case letters, digits and '-', a letter first, at most 63 characters"
        raise InvalidExperiment("metadata.name", name, allowed)
    spec = given(resource.spec, "spec")
    _check_unsupported(spec)
    parallel, maximum, max_failed = _counts(spec)
    algorithm = given(spec.algorithm, "spec.algorithm")
    settings = tuple(
        (text(item.name, f"spec.algorithm.algorithmSettings[{index}].name"), item.value or "")
        for index, item in enumerate(algorithm.algorithm_settings or [])
    )
    _check_trial_dir(settings)
    objective = read_objective(given(spec.objective, "spec.objective"))
    source = metrics_source.collector(spec.metrics_collector_spec)
    checked, container = _template(given(spec.trial_template, "spec.trialTemplate"))
    if source.path is not None:
        metrics_source.check_relocatable(container, source.path)
    return Experiment(
        name=name,
        namespace=(resource.metadata.namespace if resource.metadata else None) or "default",
        algorithm=text(algorithm.algorithm_name, "spec.algorithm.algorithmName"),
        settings=settings,
        objective=objective,
        parallel_trials=parallel,
        max_trials=maximum,
        max_failed_trials=max_failed,
        nas=_nas(spec),
        parameters=_parameters(spec.parameters, "spec.parameters", default_distribution="uniform"),
        collector=source,
        template=checked,
    )


def _check_unsupported(spec: V1beta1ExperimentSpec) -> None:
    if spec.early_stopping is not None:
        name = spec.early_stopping.algorithm_name
        raise InvalidExperiment("spec.earlyStopping", name, "early stopping does not run on this machine; leave it out")
    # Here the service ends with the run, whatever the policy.
    one_of(spec.resume_policy or "Never", _RESUME_POLICIES, "spec.resumePolicy")
    if (spec.nas_config is None) == (not spec.parameters):
        found = "both" if spec.parameters else "neither"
        raise InvalidExperiment("spec", found, "exactly one of nasConfig and parameters must be given")


def _check_trial_dir(settings: Iterable[tuple[str, str]]) -> None:
    """Check the one setting that is Katib's own; the others are for the service to check."""
    for name, value in settings:
        if name == SUGGESTION_TRIAL_DIR and value and not re.match("/+[^/]", value):
            allowed = "an absolute path with a folder, such as /opt/katib/trial"
            raise InvalidExperiment(f"spec.algorithm.algorithmSettings.{name}", value, allowed)


def _counts(spec: V1beta1ExperimentSpec) -> tuple[int, int | None, int | None]:
    """parallelTrialCount, maxTrialCount and maxFailedTrialCount, as Katib's webhook wants them."""
    parallel = DEFAULT_PARALLEL_TRIALS if spec.parallel_trial_count is None else spec.parallel_trial_count
    maximum, max_failed = spec.max_trial_count, spec.max_failed_trial_count
    counts = {
        "maxTrialCount": (maximum, 1),
        "parallelTrialCount": (parallel, 1),
        "maxFailedTrialCount": (max_failed, 0),
    }
    for field, (value, least) in counts.items():
        if value is not None and not least <= value < 2**31:
            raise InvalidExperiment(f"spec.{field}", value, f"it must be an integer from {least} to {2**31 - 1}")
        if value is not None and maximum is not None and value > maximum:
            default = f" (Katib's default is {DEFAULT_PARALLEL_TRIALS})" if field == "parallelTrialCount" else ""
            raise InvalidExperiment(f"spec.{field}", value, f"at most maxTrialCount, which is {maximum}{default}")
    return parallel, maximum, max_failed


def read_objective(spec: V1beta1ObjectiveSpec) -> Objective:
    """Read spec.objective, with Katib's defaults.

    Raises:
        InvalidExperiment: see `load`.
    """
    direction = Direction(one_of(spec.type, Direction, "spec.objective.type"))
    metric = text(spec.objective_metric_name, "spec.objective.objectiveMetricName")
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
        name = one_of(item.name, strategies, f"{where}.name")
        if name in named:
            raise InvalidExperiment(f"{where}.name", name, "the metric has a strategy already")
        named.add(name)
        strategies[name] = Strategy(one_of(item.value, Strategy, f"{where}.value"))
    return Objective(
        metric=metric,
        direction=direction,
        goal=None if spec.goal is None else float(spec.goal),
        additional_metrics=additional,
        strategies=strategies,
    )


def _nas(spec: V1beta1ExperimentSpec) -> NasConfig | None:
    if spec.nas_config is None:
        return None
    path = "spec.nasConfig.graphConfig"
    graph = spec.nas_config.graph_config
    return NasConfig(
        num_layers=_int32((graph.num_layers if graph else None) or 0, f"{path}.numLayers"),
        input_sizes=_sizes(graph.input_sizes if graph else None, f"{path}.inputSizes"),
        output_sizes=_sizes(graph.output_sizes if graph else None, f"{path}.outputSizes"),
        operations=tuple(
            OperationSpec(
                type=item.operation_type or "",
                parameters=_parameters(item.parameters, f"spec.nasConfig.operations[{index}].parameters"),
            )
            for index, item in enumerate(spec.nas_config.operations or [])
        ),
    )


def _sizes(values: Iterable[int] | None, path: str) -> tuple[int, ...]:
    return tuple(_int32(value, f"{path}[{index}]") for index, value in enumerate(values or []))


def _int32(value: int, field: str) -> int:
    """Check an integer that Katib keeps in 32 bits; what it means is for the service to check."""
    if not -(2**31) <= value < 2**31:
        raise InvalidExperiment(field, value, f"it must be an integer from {-(2**31)} to {2**31 - 1}")
    return value


def _parameters(
    specs: Iterable[V1beta1ParameterSpec] | None, path: str, default_distribution: str = ""
) -> tuple[ParameterSpec, ...]:
    parameters = []
    for index, spec in enumerate(specs or []):
        where = f"{path}[{index}]"
        space = given(spec.feasible_space, f"{where}.feasibleSpace")
        distribution = space.distribution or default_distribution
        if distribution:
            one_of(distribution, _DISTRIBUTIONS, f"{where}.feasibleSpace.distribution")
        parameters.append(
            ParameterSpec(
                name=text(spec.name, f"{where}.name"),
                type=one_of(spec.parameter_type, _PARAMETER_TYPES, f"{where}.parameterType"),
                minimum=space.min or "",
                maximum=space.max or "",
                step=space.step or "",
                values=tuple(space.list or []),
                distribution=distribution,
            )
        )
    return tuple(parameters)


def _template(spec: V1beta1TrialTemplate) -> tuple[TrialTemplate, template.Container]:
    path = "spec.trialTemplate"
    if spec.config_map is not None:
        name = spec.config_map.config_map_name
        allowed = "there is no cluster to read it from; give the template as trialSpec"
        raise InvalidExperiment(f"{path}.configMap", name, allowed)
    for field, value in (("successCondition", spec.success_condition), ("failureCondition", spec.failure_condition)):
        if value and value != _JOB_CONDITIONS[field]:
            allowed = "a trial succeeds by exit code 0, as a Job does; leave it out"
            raise InvalidExperiment(f"{path}.{field}", value, allowed)
    unmet = (("retain", spec.retain), ("primaryPodLabels", spec.primary_pod_labels))
    parameters: list[TrialParameter] = []
    for index, item in enumerate(given(spec.trial_parameters, f"{path}.trialParameters")):
        where = f"{path}.trialParameters[{index}]"
        name, reference = text(item.name, f"{where}.name"), text(item.reference, f"{where}.reference")
        if "{" in name or "}" in name:
            raise InvalidExperiment(f"{where}.name", name, "no braces")
        if any(name == other.name for other in parameters):
            raise InvalidExperiment(f"{where}.name", name, "each name once")
        if any(reference == other.reference for other in parameters):
            raise InvalidExperiment(f"{where}.reference", reference, "each reference once")
        parameters.append(TrialParameter(name=name, reference=reference))
    checked = TrialTemplate(
        container=text(spec.primary_container_name, f"{path}.primaryContainerName"),
        parameters=tuple(parameters),
        spec=json.dumps(given(spec.trial_spec, template.SPEC_PATH), ensure_ascii=False),
        unmet=tuple(field for field, value in unmet if value),
    )
    return checked, template.check(checked)
