"""A trial template and its assignments become a container to run, by Katib's rules.

Katib replaces ``${trialParameters.NAME}`` as plain text inside the JSON text of the trial's resource, so a value with a
double quote or a backslash breaks that resource. With the StdOut and File collectors it joins the container's command
and arguments with blanks and hands them to ``sh -c``.
"""

import json
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from katib_local.errors import ClusterOnly, TrialError
from katib_local.manifest import document
from katib_local.manifest.checks import check_text
from katib_local.manifest.document import Document
from katib_local.manifest.experiment import TrialParameter, TrialTemplate
from katib_local.manifest.resources import IoK8sApiCoreV1Container, IoK8sApiCoreV1PodTemplateSpec
from katib_suggestion.errors import Faults, InvalidExperiment

SPEC_PATH = "spec.trialTemplate.trialSpec"

GPU = "nvidia.com/gpu"
"""The resource by which a container asks for devices."""

TEST_VALUE = "test-value"
"""Stands for what a trial is assigned, as in Katib's own check."""

_PLACEHOLDER = re.compile(r"\$\{trialParameters\.(.+?)\}")
_META = re.compile(r"\$\{trialSpec\.(.+?)\}")
_META_KEYS = ("Name", "Namespace", "Kind", "APIVersion")
_META_INDEX = re.compile(r"(Annotations|Labels)\[(.+)\]")
_VARIABLE = re.compile(r"\$\$|\$\(([^)]*)\)")

_JOB_FIELDS = frozenset(
    {
        "activeDeadlineSeconds",
        "backoffLimit",
        "backoffLimitPerIndex",
        "completionMode",
        "completions",
        "manualSelector",
        "managedBy",
        "maxFailedIndexes",
        "parallelism",
        "podFailurePolicy",
        "podReplacementPolicy",
        "selector",
        "successPolicy",
        "suspend",
        "template",
        "ttlSecondsAfterFinished",
    }
)
_UNMET_JOB_FIELDS = ("backoffLimit", "podFailurePolicy")
_UNMET_CONTAINER_FIELDS = ("resources", "volumeMounts", "volumeDevices", "securityContext", "lifecycle")
_REFUSED_CONTAINER_FIELDS = ("envFrom", "workingDir")
_READ_CONTAINER_FIELDS = ("name", "image", "command", "args", "env")


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """The part of a trial's resource that runs on this machine."""

    image: str
    argv: tuple[str, ...]
    """A shell, ``-c``, and the command with its arguments in one text."""
    environment: Mapping[str, str]
    restart_policy: object = None
    """Of the pod, unchecked; None where there is none."""
    deadline_s: int | None = None
    """The Job's activeDeadlineSeconds; None lets it run."""
    num_gpus: int = 0
    """Devices of its own that it asks for."""
    unmet: tuple[str, ...] = ()
    """Fields that a cluster would heed and this machine does not."""


def assignment_names(parameters: Iterable[TrialParameter]) -> frozenset[str]:
    """Names that a suggestion must assign: the references that do not point at the trial itself."""
    return frozenset(item.reference for item in parameters if not _META.search(item.reference))


def check_kind(experiment: Document) -> None:
    """Refuse an Experiment whose trials are of a kind that does not run here: nothing else about it matters then.

    Args:
        experiment: the whole document, unchecked.

    Raises:
        InvalidExperiment: the trial's resource names another kind than a Job.
    """
    resource: object = experiment
    for key in ("spec", "trialTemplate", "trialSpec"):
        resource = resource.get(key) if isinstance(resource, dict) else None
    if isinstance(resource, dict) and resource.get("kind") not in (None, "Job"):
        kind = f"{resource.get('apiVersion')} {resource['kind']}"
        raise ClusterOnly(SPEC_PATH, kind, "only batch/v1 Job runs on this machine; a cluster may have this kind")


def check(template: TrialTemplate) -> Container:
    """Check a template the way Katib's webhook does, by filling it in with a test value.

    Raises:
        InvalidExperiment: a placeholder and the trial parameters do not match, or the resource cannot run here.
    """
    resource = json.loads(template.spec)
    try:
        filled = json.loads(_PLACEHOLDER.sub(TEST_VALUE, template.spec))
    except ValueError as error:
        allowed = "it must stay a mapping once its placeholders are filled in: each ends with '}' in its own text"
        raise InvalidExperiment(SPEC_PATH, template.spec, allowed) from error
    used = set(_PLACEHOLDER.findall(template.spec))
    names = {parameter.name for parameter in template.parameters}
    faults = Faults()
    with faults.noted():
        container = _container(filled, template.container)
    for parameter in template.parameters:
        with faults.noted():
            _check_parameter(parameter, used, resource)
    with faults.noted():
        if used - names:
            missing, there = ", ".join(sorted(used - names)), ", ".join(sorted(names)) or "none"
            allowed = f"each placeholder needs a trial parameter of its name; there are {there}"
            raise InvalidExperiment(SPEC_PATH, missing, allowed)
    faults.raise_noted()
    return container


def _check_parameter(parameter: TrialParameter, used: Set[str], resource: Document) -> None:
    """Check that a trial parameter has its place in the resource, and that what it refers to of the trial is there."""
    where = f"spec.trialTemplate.trialParameters.{parameter.name}"
    if parameter.name not in used:
        allowed = f"trialSpec must use ${{trialParameters.{parameter.name}}}"
        raise InvalidExperiment(where, parameter.name, allowed)
    match = _META.search(parameter.reference)
    if match and match[1] not in _META_KEYS and not _META_INDEX.fullmatch(match[1]):
        allowed = f"${{trialSpec.…}} must name {', '.join(_META_KEYS)}, Annotations[…] or Labels[…]"
        raise InvalidExperiment(f"{where}.reference", parameter.reference, allowed)
    _meta_value(parameter.reference, resource, "trial", "namespace")


def render(template: TrialTemplate, trial: str, namespace: str, assignments: Mapping[str, str]) -> Container:
    """Fill a template in and read the container that is to run.

    Args:
        template: one that `check` has passed.
        trial: name of the trial.
        namespace: of the Experiment.
        assignments: names and values, as the suggestion service returned them.

    Raises:
        TrialError: an assignment is missing or one too many, or a value breaks the resource.
    """
    try:
        return _container(fill(template, trial, namespace, assignments), template.container)
    except InvalidExperiment as error:
        raise TrialError(str(error)) from error


def fill(template: TrialTemplate, trial: str, namespace: str, assignments: Mapping[str, str]) -> Document:
    """Return the resource that Katib would make of a template, of whatever kind.

    Args:
        template: with or without what this machine can run.
        trial: name of the trial.
        namespace: of the Experiment.
        assignments: names and values, as the suggestion service returned them.

    Raises:
        TrialError: an assignment is missing or one too many, or a value breaks the resource.
    """
    expected = assignment_names(template.parameters)
    if assignments.keys() != expected:
        raise TrialError(f"assignments {sorted(assignments)} are not those that the template needs, {sorted(expected)}")
    resource = json.loads(template.spec)
    values = {
        parameter.name: assignments[parameter.reference]
        if parameter.reference in expected
        else _meta_value(parameter.reference, resource, trial, namespace)
        for parameter in template.parameters
    }
    filled = _PLACEHOLDER.sub(lambda match: values[match[1]], template.spec)
    try:
        rendered: Document = json.loads(filled)
    except ValueError as error:
        raise TrialError(
            f"the trial's resource is no JSON once its values are filled in ({error}): a value holds a double quote, "
            "a backslash or a line break"
        ) from error
    return rendered


def _meta_value(reference: str, resource: Document, trial: str, namespace: str) -> str:
    """What ``${trialSpec.…}`` stands for; an ordinary reference stands for nothing here."""
    match = _META.search(reference)
    if not match:
        return ""
    index = _META_INDEX.fullmatch(match[1])
    if index:
        kind = index[1].lower()
        metadata = _mapping(resource.get("metadata") or {}, f"{SPEC_PATH}.metadata")
        found = _mapping(metadata.get(kind) or {}, f"{SPEC_PATH}.metadata.{kind}")
        if index[2] not in found:
            allowed = f"trialSpec.metadata.{kind} must have it"
            raise InvalidExperiment("spec.trialTemplate.trialParameters", reference, allowed)
        return str(found[index[2]])
    kind, version = str(resource.get("kind")), str(resource.get("apiVersion"))
    return {"Name": trial, "Namespace": namespace, "Kind": kind, "APIVersion": version}[match[1]]


def _container(resource: Document, name: str) -> Container:
    """Find the training container of a Job and read what runs here."""
    kind = f"{resource.get('apiVersion')} {resource.get('kind')}"
    if kind != "batch/v1 Job":
        raise ClusterOnly(SPEC_PATH, kind, "only batch/v1 Job runs on this machine")
    metadata = _mapping(resource.get("metadata") or {}, f"{SPEC_PATH}.metadata")
    for field in ("name", "namespace"):
        if metadata.get(field):
            raise InvalidExperiment(f"{SPEC_PATH}.metadata.{field}", metadata[field], "Katib sets it; leave it out")
    job = _mapping(resource.get("spec"), f"{SPEC_PATH}.spec")
    _known(resource, {"apiVersion", "kind", "metadata", "spec"}, SPEC_PATH)
    _known(job, _JOB_FIELDS, f"{SPEC_PATH}.spec")
    for field in ("completions", "parallelism"):
        if job.get(field) not in (None, 1):
            raise ClusterOnly(f"{SPEC_PATH}.spec.{field}", job[field], "only 1 runs on this machine")
    deadline_s = job.get("activeDeadlineSeconds")
    if deadline_s is not None and (type(deadline_s) is not int or deadline_s < 1):
        allowed = "it must be an integer from 1, or left out"
        raise InvalidExperiment(f"{SPEC_PATH}.spec.activeDeadlineSeconds", deadline_s, allowed)
    path = f"{SPEC_PATH}.spec.template"
    pod = _mapping(job.get("template"), path)
    document.check_fields(IoK8sApiCoreV1PodTemplateSpec, pod, path)
    pod_spec = _mapping(pod.get("spec"), f"{path}.spec")
    if pod_spec.get("initContainers"):
        raise ClusterOnly(f"{path}.spec.initContainers", "initContainers", "one container runs on this machine")
    fields = _only_container(pod_spec, name, f"{path}.spec.containers")
    container_path = f"{path}.spec.containers[0]"
    num_gpus, other_resources = _gpus(fields, container_path)
    unmet = [*_present(job, _UNMET_JOB_FIELDS), *_present(fields, _UNMET_CONTAINER_FIELDS)]
    if "resources" in unmet and not other_resources:
        unmet.remove("resources")
    return replace(
        _read_container(fields, container_path),
        num_gpus=num_gpus,
        restart_policy=pod_spec.get("restartPolicy"),
        deadline_s=deadline_s,
        unmet=tuple(unmet),
    )


def _gpus(fields: Document, path: str) -> tuple[int, bool]:
    """How many devices a container asks for, and whether for anything else."""
    resources = _mapping(fields.get("resources") or {}, f"{path}.resources")
    counts = {}
    others = any(key not in ("limits", "requests") for key in resources)
    for kind in ("limits", "requests"):
        asked = dict(_mapping(resources.get(kind) or {}, f"{path}.resources.{kind}"))
        count = asked.pop(GPU, None)
        if count is not None:
            counts[kind] = _count(count, f"{path}.resources.{kind}.{GPU}")
        others = others or bool(asked)
    return counts.get("limits", counts.get("requests", 0)), others


def _count(value: object, where: str) -> int:
    if value == TEST_VALUE:  # which trial asks for how many, nobody knows yet
        return 0
    if not re.fullmatch(r"\d{1,4}", str(value), re.ASCII):
        raise InvalidExperiment(where, value, "it must be a whole number of devices, as Kubernetes wants it")
    return int(str(value))


def _only_container(pod_spec: Document, name: str, path: str) -> Document:
    containers = pod_spec.get("containers")
    if not isinstance(containers, list) or not all(isinstance(item, dict) for item in containers) or not containers:
        raise InvalidExperiment(path, containers, "it must be a list of containers")
    names = [item.get("name") for item in containers]
    if name not in names:
        allowed = f"trialSpec must have a container of that name; it has {', '.join(map(str, names))}"
        raise InvalidExperiment("spec.trialTemplate.primaryContainerName", name, allowed)
    if len(containers) > 1:
        raise ClusterOnly(path, ", ".join(map(str, names)), "only one container runs on this machine")
    only: Document = containers[0]
    return only


def _read_container(fields: Document, path: str) -> Container:
    for field in _present(fields, _REFUSED_CONTAINER_FIELDS):
        raise ClusterOnly(f"{path}.{field}", fields[field], "it cannot be met on this machine; leave it out")
    read = {field: fields[field] for field in _READ_CONTAINER_FIELDS if field in fields}
    container = document.parse(IoK8sApiCoreV1Container, read, path)
    if not container.image:
        raise InvalidExperiment(f"{path}.image", container.image, "it must be given")
    if not container.command:
        raise InvalidExperiment(f"{path}.command", container.command, "it must be given: there is no image to ask")
    # The manifest is checked already, but a value that a service has suggested may hold an escape of JSON.
    for text in (*container.command, *(container.args or [])):
        check_text(text, f"{path}.command")
    environment: dict[str, str] = {}
    for index, variable in enumerate(container.env or []):
        check_text(f"{variable.name}{variable.value or ''}", f"{path}.env[{index}]")
        if variable.value_from is not None:
            allowed = f"{variable.name} must have a value: there is no cluster to read it from"
            raise ClusterOnly(f"{path}.env[{index}].valueFrom", fields["env"][index]["valueFrom"], allowed)
        if not variable.name or "=" in variable.name:
            raise InvalidExperiment(f"{path}.env[{index}].name", variable.name, "a name without '='")
        environment[variable.name] = _expand(variable.value or "", environment)
    words = [_expand(word, environment) for word in (*container.command, *(container.args or []))]
    return Container(image=container.image, argv=_shell(words), environment=environment)


def _shell(words: list[str]) -> tuple[str, ...]:
    """Join a command for ``sh -c``; one that is a shell's ``-c`` already keeps its shell, as in Katib."""
    if len(words) > 2 and words[0] in ("sh", "bash") and words[1] == "-c":
        return (words[0], words[1], " ".join(words[2:]))
    return ("sh", "-c", " ".join(words))


def _expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by a variable of the container, and ``$$`` by ``$``, as Kubernetes does.

    What stands in the brackets of no variable stays as it is, ``$$`` too.
    """
    return _VARIABLE.sub(lambda match: "$" if match[1] is None else environment.get(match[1], match[0]), text)


def _present(fields: Document, names: Iterable[str]) -> list[str]:
    return [name for name in names if fields.get(name)]


def _mapping(value: object, path: str) -> Document:
    if not isinstance(value, dict):
        raise InvalidExperiment(path, value, "it must be a mapping")
    return value


def _known(fields: Document, known: Iterable[str], path: str) -> None:
    for key in fields:
        if key not in known:
            raise InvalidExperiment(path, key, f"unknown field; known are {', '.join(sorted(known))}")
