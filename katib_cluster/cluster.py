"""A ConfigMap of a cluster with one text to change: Katib's configuration, or the menu of Kubeflow's dashboard."""

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
    """A ConfigMap, through the official client.

    Args:
        namespace: where it is.
        context: of the kubeconfig; None for the current one or, inside a pod, its service account.
        name: of the ConfigMap.
        key: of the text in it.

    Raises:
        ClusterError: there is no kubeconfig, or no such context.
    """

    def __init__(self, namespace: str, context: str | None, name: str = CONFIG_MAP, key: str = KEY) -> None:
        self._namespace, self._name, self._key = namespace, name, key
        connection.load(context)
        self._api = client.CoreV1Api()

    @property
    def name(self) -> str:
        """How kubectl would name it."""
        return f"configmap/{self._name} in namespace {self._namespace}"

    def read(self) -> Read:
        """Read the configuration.

        Raises:
            ClusterError: the cluster does not answer, refuses, or has no such ConfigMap.
        """
        with failing(f"{self.name} cannot be read"):
            found = self._api.read_namespaced_config_map(self._name, self._namespace, _request_timeout=TIMEOUT_S)
        text = (found.data or {}).get(self._key)
        if text is None or found.metadata is None:
            needed = ": Katib 0.16 or later is needed" if self._key == KEY else ""
            raise ClusterError(f"{self.name} has no {self._key}{needed}")
        return Read(text=text, version=str(found.metadata.resource_version))

    def write(self, text: str, version: str) -> None:
        """Write the configuration back; nothing else of the ConfigMap changes.

        Args:
            text: the new one.
            version: of what was read; if it was changed since, nothing is written.

        Raises:
            ClusterError: somebody has changed it meanwhile, the cluster does not answer, or refuses.
        """
        body = {"metadata": {"resourceVersion": version}, "data": {self._key: text}}
        with failing(f"{self.name} cannot be written"):
            self._api.patch_namespaced_config_map(self._name, self._namespace, body, _request_timeout=TIMEOUT_S)
