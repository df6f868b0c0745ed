"""Experiments in the forms of the SDKs are the manifests that they came from."""

import copy
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml
from kubeflow_katib_api import models
from kubernetes import client

from katib_local.manifest import manifest, python_form
from katib_suggestion.errors import InvalidExperiment

EXAMPLES = Path(__file__).parents[3] / "examples"
PATHS = sorted(EXAMPLES.glob("*.yaml"))
USERS_OWN = {"labels", "annotations", "limits", "requests", "nodeSelector"}

Document = dict[str, Any]


def read(path: Path) -> Document:
    found: Document = yaml.safe_load(path.read_text())
    return found


def from_a_cluster(document: Document) -> Document:
    """Add what a cluster does."""
    seen = copy.deepcopy(document)
    seen["metadata"] |= {
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "uid": "0f",
        "resourceVersion": "7",
        "managedFields": [{"manager": "kubectl", "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:spec": {}}}],
    }
    seen["status"] = {"startTime": "2026-01-02T03:04:05Z", "conditions": [{"type": "Created", "status": "True"}]}
    return seen


def in_snake_case(value: Any, parent: str = "") -> Any:
    """What an SDK's ``to_dict`` makes of a resource."""
    if isinstance(value, list):
        return [in_snake_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = {key: key if parent in USERS_OWN else re.sub(r"([A-Z]+)", r"_\1", key).lower() for key in value}
    return {"unset": None} | {keys[key]: in_snake_case(item, key) for key, item in value.items()}


class OldExperiment:
    """An object of the SDK kubeflow.katib: each of its attributes has a name on the wire."""

    attribute_map: ClassVar = {"api_version": "apiVersion", "kind": "kind", "metadata": "metadata", "spec": "spec"}

    def __init__(self, document: Document) -> None:
        self.api_version, self.kind = document["apiVersion"], document["kind"]
        self.metadata = client.V1ObjectMeta(
            name=document["metadata"]["name"],
            namespace=document["metadata"].get("namespace"),
            creation_timestamp=datetime.now(UTC),
        )
        self.spec = document["spec"]


def as_a_job(document: Document) -> Document:
    """Put the trial's resource into the classes of the Kubernetes client."""
    changed = copy.deepcopy(document)
    job = changed["spec"]["trialTemplate"]["trialSpec"]
    pod = job["spec"]["template"]["spec"]
    containers = [
        client.V1Container(
            name=item["name"],
            image=item["image"],
            command=item["command"],
            args=item.get("args"),
            env=item.get("env"),
            resources=client.V1ResourceRequirements(**item.get("resources", {})),
            volume_mounts=item.get("volumeMounts"),
        )
        for item in pod["containers"]
    ]
    spec = client.V1PodSpec(containers=containers, restart_policy=pod["restartPolicy"], volumes=pod.get("volumes"))
    template = client.V1PodTemplateSpec(spec=spec, metadata=job["spec"]["template"].get("metadata"))
    changed["spec"]["trialTemplate"]["trialSpec"] = client.V1Job(
        api_version="batch/v1",
        kind="Job",
        spec=client.V1JobSpec(template=template),
        status=client.V1JobStatus(),
    )
    return changed


FORMS = {
    "model": lambda document: models.V1beta1Experiment.from_dict(from_a_cluster(document)),
    "mapping": from_a_cluster,
    "snake case": lambda document: in_snake_case(from_a_cluster(document)),
    "old": OldExperiment,
    "job": as_a_job,
    "old, with a job": lambda document: OldExperiment(as_a_job(document)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_form_is_the_manifest_that_it_came_from(path: Path, form: str) -> None:
    document = read(path)
    made = python_form.read(FORMS[form](document))
    made = {"apiVersion": manifest.API_VERSION, "kind": "Experiment", **made}
    if "job" in form:
        expected = manifest.parse(document)
        found = manifest.parse(made)
        assert (found.nas, found.objective, found.template.parameters) == (
            expected.nas,
            expected.objective,
            expected.template.parameters,
        )
        assert manifest.template.check(found.template).argv == manifest.template.check(expected.template).argv
    else:
        assert manifest.parse(made) == manifest.parse(document)


def test_what_was_read_from_a_cluster_is_taken_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "seen.yaml"
    seen = from_a_cluster(read(PATHS[0]))
    seen["status"]["aFieldOfAnotherVersion"] = 1
    path.write_text(yaml.safe_dump(seen, sort_keys=False))
    assert manifest.load(path)[0] == manifest.load(PATHS[0])[0]


def test_keys_of_the_users_own_mappings_stay() -> None:
    document = read(PATHS[0])
    document["metadata"]["labels"] = {"my_team": "a"}
    assert python_form.read(document)["metadata"]["labels"] == {"my_team": "a"}


def test_numbers_of_numpy_are_numbers() -> None:
    document = read(PATHS[0])
    document["spec"]["maxTrialCount"] = np.int64(7)
    assert python_form.read(document)["spec"]["maxTrialCount"] == 7


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", float("nan")])
def test_what_json_cannot_say_is_refused_by_its_place(value: Any) -> None:
    document = read(PATHS[0])
    document["spec"]["maxTrialCount"] = value
    with pytest.raises(InvalidExperiment, match=r"spec\.maxTrialCount"):
        python_form.read(document)


def test_a_mapping_that_holds_itself_is_refused() -> None:
    document = read(PATHS[0])
    document["spec"]["again"] = document
    with pytest.raises(InvalidExperiment, match="must not hold itself"):
        python_form.read(document)
