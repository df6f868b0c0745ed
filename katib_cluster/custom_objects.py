"""Katib's objects in a cluster: which they are, and long lists of them."""

from collections.abc import Iterator
from typing import Any

from katib_cluster.connection import TIMEOUT_S

GROUP, VERSION = "kubeflow.org", "v1beta1"
EXPERIMENT_LABEL = "katib.kubeflow.org/experiment"
"""Katib puts it on every Trial."""
TRIAL_LABEL = "katib.kubeflow.org/trial"
"""And this one on every pod of a trial."""

_PAGE = 100
"""Objects of one answer: a trial with its manifest has some ten kilobytes, and becomes five times that in memory."""


def pages(api: Any, namespace: str, plural: str, label_selector: str | None = None) -> Iterator[dict[str, Any]]:
    """List objects of a namespace a page at a time, each as the API has answered it.

    Args:
        api: a ``CustomObjectsApi``; what its methods return is typed as object.
        namespace: that they are in.
        plural: of their kind.
        label_selector: that they match; None for all.

    Raises:
        ApiException: the cluster refuses, or the list has taken so long that it is not kept any more.
    """
    more: str | None = None
    while more != "":
        selected = {"label_selector": label_selector} if label_selector else {}
        going_on = {"_continue": more} if more else {}
        page: dict[str, Any] = api.list_namespaced_custom_object(
            GROUP, VERSION, namespace, plural, limit=_PAGE, _request_timeout=TIMEOUT_S, **selected, **going_on
        )
        yield page
        more = page["metadata"].get("continue") or ""
