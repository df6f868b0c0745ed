"""What Katib's configuration says about our two suggestion services: one entry each in ``runtime.suggestions``."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from katib_cluster import resources

Entry: TypeAlias = dict[str, Any]

ALGORITHMS = ("enas", "darts")

_MEMORY = {"enas": ("320Mi", "400Mi"), "darts": ("64Mi", "100Mi")}
"""What is asked for, and the limit: since 0.17 that of Katib's stock configuration."""

_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}

_FOR_ITS_IMAGE = ("command", "args")
"""Fields that mean something to one program only."""


def entry(algorithm: str, image: str) -> Entry:
    """Return a whole entry for a configuration that has none yet.

    Args:
        algorithm: one of `ALGORITHMS`.
        image: of our service.
    """
    request, limit = _MEMORY[algorithm]
    fields: Entry = {
        "algorithmName": algorithm,
        "image": image,
        "resources": {"requests": {"cpu": "50m", "memory": request}, "limits": {"cpu": "500m", "memory": limit}},
        "securityContext": _SECURITY,
        # DARTS serves within a second, ENAS within ten: the stock probes would keep both waiting for ten.
        "startupProbe": _probe(period_s=1, failures=120),
        "readinessProbe": _probe(period_s=10, failures=3),
        "livenessProbe": _probe(period_s=30, failures=6),
    }
    if algorithm == "enas":
        # For experiments with resumePolicy: FromVolume.
        fields["persistentVolumeClaimSpec"] = _CLAIM
    return fields


def merged(existing: Mapping[str, Any], ours: Mapping[str, Any]) -> Entry:
    """Return an entry with our image, and our other fields where it had none.

    So what somebody has set for their cluster stays. ``command`` and ``args`` go if they were for another image, and
    resources that are less than ours become ours.

    Raises:
        InvalidConfiguration: a resource is no quantity.
    """
    image = existing.get("image")
    another = not isinstance(image, str) or _repository(image) != _repository(ours["image"])
    kept = {key: value for key, value in existing.items() if not (another and key in _FOR_ITS_IMAGE)}
    if kept.get("resources"):
        kept["resources"] = resources.raised(kept["resources"], ours["resources"], f"{ours['algorithmName']}.resources")
    return {**kept, "image": ours["image"], **{key: value for key, value in ours.items() if not kept.get(key)}}


def _probe(period_s: int, failures: int) -> Entry:
    # Kubernetes asks for health itself; the service name is not the proto package's, but the one that Katib asks for.
    grpc = {"port": 6789, "service": "manager.v1beta1.Suggestion"}
    return {"grpc": grpc, "periodSeconds": period_s, "timeoutSeconds": 5, "failureThreshold": failures}


def _repository(image: str) -> str:
    """The last part of an image's name, without tag and digest: the registry may be a mirror."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
