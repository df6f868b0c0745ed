"""An Experiment that only a cluster runs, with what runs here in the place of that, to check what is around it."""

import json

from katib_local.manifest.document import Document
from katib_local.manifest.metrics_source import OF_CLUSTERS

_ONLY_OF_CLUSTERS = ("configMap", "successCondition", "failureCondition")
"""Fields of a trial template that nothing here heeds."""


def of(experiment: Document) -> Document:
    """Return an Experiment with a Job in place of its trial, and without a metrics collector that is not run here.

    Args:
        experiment: the whole document, unchecked but for `ClusterOnly`, which is all that was said of it.
    """
    spec = experiment["spec"]
    trial = {key: value for key, value in spec["trialTemplate"].items() if key not in _ONLY_OF_CLUSTERS}
    changed = {**spec, "trialTemplate": {**trial, "trialSpec": _job(trial)}}
    if _is_of_clusters(spec.get("metricsCollectorSpec")):
        del changed["metricsCollectorSpec"]
    return {**experiment, "spec": changed}


def _is_of_clusters(metrics: object) -> bool:
    collector = metrics.get("collector") if isinstance(metrics, dict) else None
    if not isinstance(collector, dict):
        return False
    return collector.get("kind") in OF_CLUSTERS or collector.get("customCollector") is not None


def _job(trial: Document) -> Document:
    # All that it names: placeholders, folders.
    named = trial.get("trialSpec")
    if named is None:  # it is in a ConfigMap
        named = [f"${{trialParameters.{item['name']}}}" for item in trial["trialParameters"]]
    container = {
        "name": trial.get("primaryContainerName"),
        "image": "only-on-a-cluster",
        "command": ["sh", "-c", json.dumps(named)],
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}}
