"""Every example as Katib would read it: checked field by field, asked about at our services, and rendered."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.models import V1PersistentVolumeClaim, V1PodTemplateSpec

from katib_local.manifest import document, images, manifest, template
from katib_local.manifest.experiment import TrialParameter, TrialTemplate
from katib_local.manifest.resources import V1beta1Experiment
from katib_local.running.interruption import Interruption
from katib_local.running.suggestion_client import SuggestionClient

EXAMPLES = Path(__file__).parents[2] / "examples"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "shared-weights.md"
FILES = sorted(EXAMPLES.rglob("*.yaml"))
DOCUMENTS = {str(path.relative_to(EXAMPLES)): yaml.safe_load(path.read_text()) for path in FILES}
EXPERIMENTS = {name: read for name, read in DOCUMENTS.items() if read["kind"] == "Experiment"}
OF_OTHERS = {"team/dense-trainer": EXAMPLES / "own-trainer", "team/own-model": EXAMPLES / "own-model"}
"""Images that are not ours, and what they run."""

Document = dict[str, Any]


@pytest.fixture(scope="module")
def assignments(
    enas_service: Any, darts_service: Any, random_suggestion: str
) -> Iterator[Callable[[Document], dict[str, str]]]:
    """What the algorithm's service suggests for an experiment's first trial."""
    services = {"enas": enas_service, "darts": darts_service}
    addresses = {name: f"127.0.0.1:{service.port}" for name, service in services.items()}
    addresses["random"] = random_suggestion
    with Interruption() as interruption:

        def ask(read: Document) -> dict[str, str]:
            address = addresses[read["spec"]["algorithm"]["algorithmName"]]
            experiment = manifest.parse(_as_a_job(read))
            client = SuggestionClient(experiment, address, None, interruption)
            client.validate()
            trials, _ = client.suggest([], 1, {})
            return dict(trials[0].assignments)

        yield ask


def _as_a_job(read: Document) -> Document:
    """An experiment whose trial runs here, so that it can be parsed; the service is not told of the trial's kind."""
    if read["spec"]["trialTemplate"]["trialSpec"]["kind"] == "Job":
        return read
    changed = copy.deepcopy(read)
    changed["spec"]["trialTemplate"] = DOCUMENTS[f"{read['spec']['algorithm']['algorithmName']}-gpu.yaml"]["spec"][
        "trialTemplate"
    ]
    return changed


def _pods(resource: Document) -> list[Document]:
    """Pod templates of a trial's resource, the primary one first."""
    kind = f"{resource['apiVersion']} {resource['kind']}"
    if kind == "batch/v1 Job":
        return [resource["spec"]["template"]]
    if kind == "trainer.kubeflow.org/v1alpha1 TrainJob":
        return [_pod_of_a_train_job(resource["spec"])]
    assert kind == "kubeflow.org/v1 PyTorchJob"
    assert [*resource["spec"]] == ["pytorchReplicaSpecs"]
    replicas = resource["spec"]["pytorchReplicaSpecs"]
    assert [*replicas] == ["Master", "Worker"]
    assert replicas["Master"]["replicas"] == 1
    for replica in replicas.values():
        assert {*replica} == {"replicas", "restartPolicy", "template"}
    return [replica["template"] for replica in replicas.values()]


def _pod_of_a_train_job(spec: Document) -> Document:
    """What Kubeflow Trainer puts into the pods of its runtime for PyTorch, whose container is named node."""
    assert spec["runtimeRef"] == {"name": "torch-distributed"}
    assert {*spec} == {"runtimeRef", "trainer"}
    trainer = spec["trainer"]
    assert {*trainer} == {"image", "command", "numNodes", "numProcPerNode", "resourcesPerNode"}
    container = {"name": "node", "resources": trainer["resourcesPerNode"]}
    return {"spec": {"containers": [container | {key: trainer[key] for key in ("image", "command")}]}}


def _check_that_it_renders(read: Document, given: dict[str, str]) -> None:
    document.check_fields(V1beta1Experiment, read)
    document.parse(V1beta1Experiment, read)
    spec = read["spec"]["trialTemplate"]
    trial = TrialTemplate(
        container=spec["primaryContainerName"],
        parameters=tuple(
            TrialParameter(name=item["name"], reference=item["reference"]) for item in spec["trialParameters"]
        ),
        spec=json.dumps(spec["trialSpec"]),
    )
    resource = template.fill(trial, "trial-1", "team", given)
    text = json.dumps(resource)
    assert "${" not in text
    for pod in _pods(resource):
        # The client's models refuse fields that they do not know; Katib's need check_fields for that.
        V1PodTemplateSpec.model_validate(pod)
        (container,) = pod["spec"]["containers"]
        assert container["name"] == spec["primaryContainerName"]
        program = images.program_dir(container["image"], OF_OTHERS)
        is_of_others = program in OF_OTHERS.values()
        assert is_of_others or re.search(rf":{re.escape(version('katib-nas'))}$|@sha256:", container["image"])
        scripts = list(program.glob("*.py"))
        # A script of the folder in which the container starts, or a module of its package.
        programs = {path.name for path in scripts} | {f"{program.name}.{path.stem}" for path in scripts}
        assert programs & set(container["command"])
        assert all(any(value in word for word in container["command"]) for value in given.values())
        mounted = {item["name"] for item in container.get("volumeMounts", [])}
        assert mounted == {item["name"] for item in pod["spec"].get("volumes", [])}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_examples_render(assignments: Callable[[Document], dict[str, str]], name: str) -> None:
    _check_that_it_renders(EXPERIMENTS[name], assignments(EXPERIMENTS[name]))


def test_the_suggestions_volume_as_the_guide_mounts_it(assignments: Callable[[Document], dict[str, str]]) -> None:
    (block,) = re.findall(r"```yaml\n(# of an Experiment named my-search.*?)```", GUIDE.read_text(), re.DOTALL)
    part = yaml.safe_load(block)
    read = copy.deepcopy(EXPERIMENTS["enas-resume.yaml"])
    read["metadata"]["name"] = "my-search"
    pod = read["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    pod["volumes"] = part.pop("volumes")
    pod["containers"][0] |= part
    _check_that_it_renders(read, assignments(read))
    # Katib makes the claim for this policy alone, and names it so.
    assert read["spec"]["resumePolicy"] == "FromVolume"
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "my-search-enas"
    (variable,), (mount,) = part["env"], part["volumeMounts"]
    assert variable["value"].startswith(f"{mount['mountPath']}/")


@pytest.mark.parametrize("name", ["enas-digits.yaml", "darts-digits.yaml"])
def test_services_leave_katibs_own_setting_alone(assignments: Callable[[Document], dict[str, str]], name: str) -> None:
    read = copy.deepcopy(EXPERIMENTS[name])
    algorithm = read["spec"]["algorithm"]
    setting = {"name": "suggestion_trial_dir", "value": "/opt/katib/trial"}
    algorithm["algorithmSettings"] = [*algorithm.get("algorithmSettings", []), setting]
    given = assignments(read)
    assert given.keys() == assignments(EXPERIMENTS[name]).keys()
    assert "/opt/katib/trial" not in "".join(given.values())


def test_a_kind_of_trial_that_is_no_job_says_how_it_ends() -> None:
    spec = EXPERIMENTS["cluster/darts-nodes.yaml"]["spec"]["trialTemplate"]
    assert spec["successCondition"] == 'status.conditions.#(type=="Succeeded")#|#(status=="True")#'
    assert spec["failureCondition"] == 'status.conditions.#(type=="Failed")#|#(status=="True")#'
    assert spec["primaryPodLabels"] == {"training.kubeflow.org/job-role": "master"}
    replicas = spec["trialSpec"]["spec"]["pytorchReplicaSpecs"]
    pods = sum(replica["replicas"] for replica in replicas.values())
    for replica in replicas.values():
        assert f"--nnodes={pods}" in replica["template"]["spec"]["containers"][0]["command"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_job_that_fails_is_not_tried_again(name: str) -> None:
    resource = EXPERIMENTS[name]["spec"]["trialTemplate"]["trialSpec"]
    if resource["kind"] == "Job":
        assert resource["spec"]["backoffLimit"] == 0


def test_katib_says_how_a_train_job_ends() -> None:
    """Its defaults are right for this kind, and our configuration takes it."""
    spec = EXPERIMENTS["cluster/darts-trainjob.yaml"]["spec"]["trialTemplate"]
    assert {*spec} == {"primaryContainerName", "trialParameters", "trialSpec"}
    resource = spec["trialSpec"]
    version, group = resource["apiVersion"].rpartition("/")[::-2]
    config = yaml.safe_load((EXAMPLES.parent / "manifests" / "katib-config.yaml").read_text())
    assert f"{resource['kind']}.{version}.{group}" in config["init"]["controller"]["trialResources"]


def test_what_is_no_experiment_is_a_claim_or_serves() -> None:
    served = {name for name, read in DOCUMENTS.items() if read["kind"] == "InferenceService"}
    assert served == {"serving/inference-service.yaml"}
    claims = {name: read for name, read in DOCUMENTS.items() if read["kind"] == "PersistentVolumeClaim"}
    assert [*claims] == ["cluster/shared-weights-claim.yaml"]
    for read in claims.values():
        V1PersistentVolumeClaim.model_validate(read)
    assert {*DOCUMENTS} == {*EXPERIMENTS, *claims, *served}
