"""The Experiments and Trials of one namespace, kept up with while somebody looks."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from kubernetes import watch
from kubernetes.client.exceptions import ApiException

from dashboard.sources import listed
from dashboard.sources.listed import ListedExperiment, ListedTrial
from katib_cluster import custom_objects
from katib_cluster.connection import TIMEOUT_S, failing
from katib_cluster.custom_objects import GROUP, VERSION
from katib_cluster.errors import ClusterError

logger = logging.getLogger(__name__)

_IDLE_S = 120.0
"""After so long a time without a question nobody looks any more."""

_WATCH_S = 50
"""How long the cluster goes on telling what has changed before it is asked anew."""

_AGAIN_S = 5.0
"""Between two attempts where the cluster does not answer."""

_GONE = 410
"""The cluster does not remember what has changed since: all is listed again."""

T = TypeVar("T")


class Kept(Generic[T]):
    """Objects of one kind in a namespace, by their names: listed once, then by what the cluster says has changed.

    Args:
        api: a ``CustomObjectsApi``.
        namespace: that they are in.
        plural: of their kind.
        read: what is kept of an object; None for one that is left out.
    """

    def __init__(self, api: Any, namespace: str, plural: str, read: Callable[[Mapping[str, Any]], T | None]) -> None:
        self._api, self._namespace, self._plural, self._read = api, namespace, plural, read
        self._changed = threading.Condition()
        self._found: dict[str, T] | None = None
        self._problem: ClusterError | None = None
        self._asked_s = time.monotonic()
        self.count = 0
        """Of changes so far."""
        threading.Thread(target=self._keep, name=f"{plural} of {namespace}", daemon=True).start()

    def found(self) -> dict[str, T]:
        """Return the objects, once they have been listed.

        Raises:
            ClusterError: the cluster does not answer, or refuses.
        """
        with self._changed:
            self._asked_s = time.monotonic()
            self._changed.wait_for(lambda: self._found is not None or self._problem is not None, TIMEOUT_S)
            if self._problem is not None:
                raise self._problem
            if self._found is None:
                raise ClusterError(
                    f"the {self._plural} of {self._namespace} cannot be read: the cluster does not answer"
                )
            return dict(self._found)

    @property
    def is_idle(self) -> bool:
        """Whether nobody asks any more; then it keeps up no longer."""
        return time.monotonic() - self._asked_s > _IDLE_S

    def _keep(self) -> None:
        version = ""
        while not self.is_idle:
            try:
                with failing(f"the {self._plural} of {self._namespace} cannot be read"):
                    version = self._follow(version or self._list())
            except ClusterError as error:
                version = ""
                if getattr(error.__cause__, "status", None) != _GONE:
                    logger.warning("%s", error)
                    self._tell(problem=error)
                    time.sleep(_AGAIN_S)

    def _list(self) -> str:
        """List them all, and return the version of the list."""
        found: dict[str, T] = {}
        version = ""
        for page in custom_objects.pages(self._api, self._namespace, self._plural):
            version = version or page["metadata"]["resourceVersion"]
            for item in page["items"]:
                if (kept := self._read(item)) is not None:
                    found[item["metadata"]["name"]] = kept
        with self._changed:
            self._found, self._problem = found, None
            self.count += 1
            self._changed.notify_all()
        return version

    def _follow(self, version: str) -> str:
        """Take over what changes for a while, and return the version that it has come to."""
        follower = watch.Watch()
        events = follower.stream(
            self._api.list_namespaced_custom_object,
            GROUP,
            VERSION,
            self._namespace,
            self._plural,
            resource_version=version,
            timeout_seconds=_WATCH_S,
            _request_timeout=(TIMEOUT_S, _WATCH_S + TIMEOUT_S),
        )
        for event in events:
            item = event["raw_object"]
            if event["type"] == "ERROR":
                raise ApiException(status=item.get("code"), reason=item.get("message"))
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                self._take(event["type"], item)
            version = item["metadata"]["resourceVersion"]
        return version

    def _take(self, kind: str, item: Mapping[str, Any]) -> None:
        kept = None if kind == "DELETED" else self._read(item)
        name = item["metadata"]["name"]
        with self._changed:
            assert self._found is not None
            if kept is None:
                self._found.pop(name, None)
            else:
                self._found[name] = kept
            self.count += 1

    def _tell(self, problem: ClusterError) -> None:
        with self._changed:
            self._problem, self._found = problem, None
            self.count += 1
            self._changed.notify_all()


class Watched:
    """What a list of a namespace is made of.

    Args:
        api: a ``CustomObjectsApi``.
        namespace: that is watched.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self.experiments: Kept[ListedExperiment] = Kept(api, namespace, "experiments", listed.experiment)
        self.trials: Kept[ListedTrial] = Kept(api, namespace, "trials", listed.trial)
        self._start_s = time.time()

    @property
    def is_idle(self) -> bool:
        """Whether it keeps up no longer."""
        return self.experiments.is_idle or self.trials.is_idle

    @property
    def version(self) -> str:
        """A text that changes with any of them, and is no other watch's."""
        return f"{self._start_s:.3f}-{self.experiments.count}-{self.trials.count}"
