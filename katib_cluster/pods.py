"""Pods and what they print, through the official client but not through its models.

The class for the API that pods are in brings in all of Kubernetes' own kinds: 20 MiB of memory, for two requests.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

from katib_cluster.connection import TIMEOUT_S


class Pods:
    """Reads pods with the rights of the configuration that was loaded; what it raises are the client's errors."""

    def __init__(self) -> None:
        self._client: Any = ApiClient()

    def containers(self, namespace: str, label_selector: str) -> list[tuple[str, str]]:
        """List the containers of the pods that match: a pod's name and a container's each.

        Raises:
            ApiException: the cluster refuses.
        """
        found = json.loads(self._get(f"namespaces/{quote(namespace)}/pods", {"labelSelector": label_selector}))
        return [(pod["metadata"]["name"], one["name"]) for pod in found["items"] for one in pod["spec"]["containers"]]

    def log(self, namespace: str, pod: str, container: str, *, lines: int, most_bytes: int) -> bytes:
        """Read the end of what a container has printed.

        Raises:
            ApiException: the cluster refuses; with status 400 where the container has not started.
        """
        query = {"container": container, "tailLines": lines, "limitBytes": most_bytes}
        return self._get(f"namespaces/{quote(namespace)}/pods/{quote(pod)}/log", query)

    def _get(self, path: str, query: Mapping[str, object]) -> bytes:
        configuration = self._client.configuration
        # The token of a pod is another one every hour; the client has it read anew here.
        token = configuration.auth_settings().get("BearerToken", {}).get("value")
        headers = {"Accept": "*/*", **({"Authorization": token} if token else {})}
        url = f"{configuration.host}/api/v1/{path}?{urlencode(query)}"
        answer = self._client.rest_client.request("GET", url, headers=headers, _request_timeout=TIMEOUT_S)
        # Some versions of the client have read it by now, and raise by themselves; others leave both to who asks.
        data: bytes = answer.read() if answer.data is None else answer.data
        if not 200 <= answer.status < 300:
            raise ApiException(status=answer.status, reason=answer.reason)
        return data
