"""What would run here and fails in Katib: so a new manifest is refused for it, and a run that is kept is not."""

from collections.abc import Iterator

from katib_local.manifest.resources import V1beta1Experiment
from katib_suggestion.errors import Faults, InvalidExperiment

MAX_NAME = 40
"""Letters of an Experiment's name: Katib appends to it what becomes the name of a Service, of at most 63."""


def check(resource: V1beta1Experiment) -> None:
    """Check what Katib wants beyond the form of an Experiment.

    Raises:
        InvalidExperiment: the name is too long for what Katib makes of it, or its collector splits a text at a ``;``.
    """
    faults = Faults()
    with faults.noted():
        name = (resource.metadata.name if resource.metadata else None) or ""
        if len(name) > MAX_NAME:
            raise InvalidExperiment("metadata.name", name, f"at most {MAX_NAME} characters, as Katib wants it")
    for field, text in _split_at_semicolons(resource):
        with faults.noted():
            if ";" in text:
                raise InvalidExperiment(field, text, "no ';': there Katib's collector splits it, and may crash")
    faults.raise_noted()


def _split_at_semicolons(resource: V1beta1Experiment) -> Iterator[tuple[str, str]]:
    """Texts that Katib joins with ``;`` for its collector, each with its field."""
    spec = resource.spec
    if spec is None:
        return
    if spec.objective is not None:
        yield "spec.objective.objectiveMetricName", spec.objective.objective_metric_name or ""
        for index, name in enumerate(spec.objective.additional_metric_names or []):
            yield f"spec.objective.additionalMetricNames[{index}]", name
    source = spec.metrics_collector_spec.source if spec.metrics_collector_spec else None
    patterns = source.filter.metrics_format if source and source.filter else None
    for index, pattern in enumerate(patterns or []):
        yield f"spec.metricsCollectorSpec.source.filter.metricsFormat[{index}]", pattern
