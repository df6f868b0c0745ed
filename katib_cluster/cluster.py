"""The ConfigMap of a cluster that holds Katib's configuration."""

from dataclasses import dataclass

from kubernetes import client

from katib_cluster import connection
from katib_cluster.configuration import CONFIG_MAP, KEY
from katib_cluster.connection import TIMEOUT_S, failing
from katib_cluster.errors import ClusterError


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """A configuration as it was read."""

    text: str
    version: str
    """The ConfigMap's resource version then."""


class ConfigMap:
    """Katib's ConfigMap, through the official client.

    Args:
        namespace: where Katib is installed.
        context: of the kubeconfig; None for the current one or, inside a pod, its service account.

    Raises:
        ClusterError: there is no kubeconfig, or no such context.
    """

    def __init__(self, namespace: str, context: str | None) -> None:
        self._namespace = namespace
        connection.load(context)
        self._api = client.CoreV1Api()

    @property
    def name(self) -> str:
        """How kubectl would name it."""
        return f"configmap/{CONFIG_MAP} in namespace {self._namespace}"

    def read(self) -> Read:
        """Read the configuration.

        Raises:
            ClusterError: the cluster does not answer, refuses, or has no such ConfigMap.
        """
        with failing(f"{self.name} cannot be read"):
            found = self._api.read_namespaced_config_map(CONFIG_MAP, self._namespace, _request_timeout=TIMEOUT_S)
        text = (found.data or {}).get(KEY)
        if text is None or found.metadata is None:
            raise ClusterError(f"{self.name} has no {KEY}: Katib 0.16 or later is needed")
        return Read(text=text, version=str(found.metadata.resource_version))

    def write(self, text: str, version: str) -> None:
        """Write the configuration back; nothing else of the ConfigMap changes.

        Args:
            text: the new one.
            version: of what was read; if it was changed since, nothing is written.

        Raises:
            ClusterError: somebody has changed it meanwhile, the cluster does not answer, or refuses.
        """
        body = {"metadata": {"resourceVersion": version}, "data": {KEY: text}}
        with failing(f"{self.name} cannot be written"):
            self._api.patch_namespaced_config_map(CONFIG_MAP, self._namespace, body, _request_timeout=TIMEOUT_S)
