"""A cluster's API, through the official client."""

import contextlib
import io
import os
from collections.abc import Iterator

from kubernetes import config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from katib_cluster.errors import ClusterError

TIMEOUT_S = 30.0
"""How long the cluster may take to answer."""

_HINTS = {403: ": you are not allowed to", 404: ": it is not there", 409: ": it was changed meanwhile; try again"}


def load(context: str | None) -> None:
    """Make the client's calls go to a cluster.

    Args:
        context: of the kubeconfig; None for the current one or, inside a pod, its service account.

    Raises:
        ClusterError: there is no kubeconfig, or no such context.
    """
    # The client says on standard output when it finds no kubeconfig, and then looks whether this is a pod.
    said = io.StringIO()
    try:
        with failing("no cluster is configured"), contextlib.redirect_stdout(said):
            config.load_config(**({} if context is None else {"context": context}))
    except ClusterError as error:
        if not said.getvalue():
            raise
        place = os.environ.get("KUBECONFIG") or "~/.kube/config"
        raise ClusterError(f"no cluster is configured: there is no {place}, and this is no pod of a cluster") from error


@contextlib.contextmanager
def failing(what: str) -> Iterator[None]:
    """Turn what the client raises into an error for the user.

    Args:
        what: fails, as the start of a sentence.

    Raises:
        ClusterError: the cluster does not answer, or refuses.
    """
    try:
        yield
    except ApiException as error:
        raise ClusterError(f"{what}{_HINTS.get(error.status, '')} ({error.status} {error.reason})") from error
    except (ConfigException, HTTPError, OSError) as error:
        raise ClusterError(f"{what}: {error}") from error
