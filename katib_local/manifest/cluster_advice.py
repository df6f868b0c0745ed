"""What a manifest that is right in itself would run into on a cluster: in Katib, and in what Katib keeps it in."""

import json
import math
from collections.abc import Iterator

from katib_local.manifest.document import Document
from katib_local.manifest.experiment import Experiment, OperationSpec, ParameterSpec

ETCD_BYTES = 3 * 2**19
"""Most that etcd takes of one object, 1.5 MiB; Katib keeps every assignment of an Experiment in its Suggestion."""

_FRAME = 140
"""Bytes of a trial in its Suggestion beside the assignments: names and marks."""


def advice(experiment: Experiment, found: Document) -> Iterator[str]:
    """Say what to look out for, a sentence each.

    Args:
        experiment: that was read.
        found: the document it was read from.
    """
    template = found["spec"]["trialTemplate"]
    if experiment.early_stopping is not None:
        if template.get("retain") is not True:
            yield (
                "spec.trialTemplate.retain: with earlyStopping it must be true on a cluster. Else Katib deletes the "
                "job of a trial that it stops before it has read its metrics, and the Experiment waits for them for "
                "ever (kubeflow/katib#1377)"
            )
        pods = _pods(template.get("trialSpec"))
        if not all(_has_one_user(pod, experiment.template.container) for pod in pods):
            yield (
                "spec.trialTemplate.trialSpec: with earlyStopping the pod needs a securityContext with the user of its "
                "image on a cluster, such as {runAsUser: 65532, runAsGroup: 0} for the images of katib-nas. Else "
                "Katib's collector runs as root, a trial that it stops cannot write the mark that the collector waits "
                "for, and neither ends"
            )
    yield from _advice_on_size(experiment)


def suggestion_bytes(experiment: Experiment) -> int:
    """About how much one trial takes in its Suggestion, as JSON."""
    if experiment.nas is None:
        return _FRAME + sum(len(_written(parameter)) for parameter in experiment.parameters)
    layers, operations = experiment.nas.num_layers, experiment.nas.operations
    counts = [math.prod(_num_values(item) for item in operation.parameters) for operation in operations]
    total = max(1, sum(counts))
    # Each operation that an architecture has is described once.
    num_described = total * (1 - (1 - 1 / total) ** layers)
    described = sum(count * len(_described(item)) for count, item in zip(counts, operations, strict=True)) / total
    joins = 3 * layers * (layers + 1) // 2
    return _FRAME + joins + round(num_described * described)


def _advice_on_size(experiment: Experiment) -> Iterator[str]:
    most = ETCD_BYTES // suggestion_bytes(experiment)
    if experiment.max_trials is not None and experiment.max_trials > most:
        yield (
            f"spec.maxTrialCount: {experiment.max_trials} trials are more than a cluster can keep. The Suggestion "
            f"holds the assignments of all of them, and etcd takes 1.5 MiB: about {most} of this search space"
        )


def _pods(part: object) -> Iterator[Document]:
    """Every pod that a resource has in it, be it a Job or of a kind that is not known here, and so is unchecked."""
    if isinstance(part, list):
        for item in part:
            yield from _pods(item)
    elif isinstance(part, dict):
        if isinstance(part.get("containers"), list):
            yield part
        for item in part.values():
            yield from _pods(item)


def _has_one_user(pod: Document, container: str) -> bool:
    """Whether a pod says who runs in it, and its container says nothing else."""
    user = _user(pod)
    containers = [item for item in pod["containers"] if isinstance(item, dict)]
    of_container = [_user(item) for item in containers if item.get("name") == container]
    return user is not None and all(one in (None, user) for one in of_container)


def _user(part: Document) -> object:
    context = part.get("securityContext")
    return context.get("runAsUser") if isinstance(context, dict) else None


def _described(operation: OperationSpec) -> str:
    """An operation as an assignment describes it, with values of their usual length."""
    parameters = {item.name: (item.values or (item.maximum,))[-1] for item in operation.parameters}
    return json.dumps({"100": {"opt_id": 100, "opt_type": operation.type, "opt_params": parameters}})


def _written(parameter: ParameterSpec) -> str:
    value = max(parameter.values, key=len, default="0.0123456789012345")
    return json.dumps({"name": parameter.name, "value": value})


def _num_values(parameter: ParameterSpec) -> int:
    """How many values a parameter has; 1 where that is for the service to refuse."""
    if parameter.values:
        return len(parameter.values)
    try:
        span = float(parameter.maximum) - float(parameter.minimum)
        return max(1, 1 + int(span / float(parameter.step or 1)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return 1
