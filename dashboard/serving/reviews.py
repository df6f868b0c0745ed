"""Rights in a cluster: for each request some user's, as the cluster's own authorizer sees them."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from dashboard.serving.access import Need, RefusedError, UnidentifiedError
from dashboard.sources.source import UnreadableError
from katib_cluster.connection import TIMEOUT_S, failing
from katib_cluster.errors import ClusterError

_KEPT_S = 60.0
"""How long an answer holds: so much later at most a right that was taken away is gone here."""

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    groups: tuple[str, ...]


class Reviewed:
    """Asks the cluster by a SubjectAccessReview whether a user may see something; use it from any thread.

    Args:
        user_header: of a request, in which the gateway names the user; it must let nobody else set it.
        groups_header: the same for the user's groups, with commas between them.
        user: whose every request is, in the place of a header; None for the header.
    """

    def __init__(self, user_header: str, groups_header: str, user: str | None) -> None:
        self._user_header, self._groups_header, self._user = user_header, groups_header, user
        self._api: Any = client.AuthorizationV1Api()
        self._lock = threading.Lock()
        self._known: dict[tuple[_User, str, Need], tuple[float, str | None]] = {}

    def check(self, headers: Mapping[str, str], place: str, needs: Sequence[Need]) -> None:
        """Let a request through, or not.

        Raises:
            UnidentifiedError: no header names a user.
            RefusedError: the user may not do one of what is needed.
            UnreadableError: the cluster does not say.
        """
        user = self._of(headers)
        for need in needs:
            reason = self._refusal(user, place, need)
            if reason is not None:
                because = f": {reason}" if reason else ""
                raise RefusedError(f"{user.name} is not allowed to {need} in namespace {place}{because}")

    def _of(self, headers: Mapping[str, str]) -> _User:
        if self._user is not None:
            return _User(self._user, ())
        name = headers.get(self._user_header, "").strip()
        if not name:
            raise UnidentifiedError(
                f"the request has no header {self._user_header}, in which the gateway names the user"
            )
        groups = headers.get(self._groups_header, "").split(",")
        return _User(name, tuple(group.strip() for group in groups if group.strip()))

    def _refusal(self, user: _User, place: str, need: Need) -> str | None:
        """Why a user may not do something; None where they may."""
        key = (user, place, need)
        with self._lock:
            until_s, reason = self._known.get(key, (0.0, None))
        if time.monotonic() < until_s:
            return reason
        reason = self._ask(user, place, need)
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (time.monotonic() + _KEPT_S, reason)
        return reason

    def _ask(self, user: _User, place: str, need: Need) -> str | None:
        attributes = {
            "namespace": place,
            "verb": need.verb,
            "group": need.group,
            "version": "*",
            "resource": need.resource,
            "subresource": need.subresource,
        }
        spec = {"user": user.name, "groups": list(user.groups), "resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        try:
            with failing(f"what {user.name} may see cannot be found out"):
                answer = self._api.create_subject_access_review(body, _request_timeout=TIMEOUT_S)
        except ClusterError as error:
            raise UnreadableError(str(error)) from error
        status = answer.status
        if status is not None and status.allowed:
            return None
        return (status and (status.reason or status.evaluation_error)) or ""
