"""As much of Kubernetes' API as the dashboard uses: tokens, reviews, lists by pages, watches, logs.

Its objects are as Katib 0.19 leaves them. The service account may do what the manifest's role says, and no more.
"""

import copy
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

TOKEN = "the-token-of-the-service-account"
KUBEFLOW = "/apis/kubeflow.org/v1beta1/"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
RECORDED = Path(__file__).parents[1] / "katib_local/report/cluster_objects"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


class ApiServer(ThreadingHTTPServer):
    """Serves what it is given; every change gets a version, and is told to whoever watches."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, role: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.role = role
        self.changed = threading.Condition()
        self.version = 1000
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[tuple[int, tuple[str, str], str, dict[str, Any]]] = []
        self.logs: dict[tuple[str, str, str], bytes] = {}
        self.rights: set[tuple[str, str, str, str]] = set()
        """A user or a group, a namespace, a verb, a resource with its subresource and group."""
        self.reviews: list[dict[str, Any]] = []
        self.asked: Counter[str] = Counter()
        self.refused: list[str] = []
        """What the service account had no right to."""
        self.is_down = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def kubeconfig(self, path: Path, token: str = TOKEN) -> Path:
        """Write one that names this server."""
        path.write_text(
            yaml.safe_dump(
                {
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                    "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
                    "users": [{"name": "me", "user": {"token": token}}],
                }
            )
        )
        return path

    def allow(self, who: str, namespace: str, *, logs: bool = False) -> None:
        """Give the rights of a viewer, with those to see what pods print or without."""
        for resource in ("experiments", "trials", "suggestions"):
            for verb in ("get", "list"):
                self.rights.add((who, namespace, verb, f"{resource}.kubeflow.org"))
        if logs:
            self.rights |= {(who, namespace, "list", "pods"), (who, namespace, "get", "pods/log")}

    def put(self, namespace: str, plural: str, found: dict[str, Any]) -> None:
        """Add an object, or let it take the place of an earlier one."""
        with self.changed:
            self.version += 1
            made = copy.deepcopy(found)
            made["metadata"] |= {"namespace": namespace, "resourceVersion": str(self.version)}
            kept = self.objects.setdefault((namespace, plural), {})
            kind = "MODIFIED" if made["metadata"]["name"] in kept else "ADDED"
            kept[made["metadata"]["name"]] = made
            self.events.append((self.version, (namespace, plural), kind, made))
            self.changed.notify_all()

    def delete(self, namespace: str, plural: str, name: str) -> None:
        with self.changed:
            self.version += 1
            gone = self.objects[namespace, plural].pop(name)
            gone["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, (namespace, plural), "DELETED", gone))
            self.changed.notify_all()

    def put_recorded(self, namespace: str, name: str = "enas-digits", num_trials: int = 4) -> None:
        """Add the recorded Experiment with some of its trials, under another name if need be."""
        text = json.dumps([recorded("experiment"), recorded("suggestion"), recorded("trials")["items"][:num_trials]])
        experiment, suggestion, trials = json.loads(text.replace("enas-digits", name))
        self.put(namespace, "experiments", experiment)
        self.put(namespace, "suggestions", suggestion)
        for trial in trials:
            self.put(namespace, "trials", trial)


class Handler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if self._is_refused():
            return
        group, namespace, rest = _place(address.path)
        if namespace is None and rest[0] not in ("trials",):
            self._status(404, "NotFound")
            return
        resource = "/".join([rest[0], *rest[2:]])
        verb = "get" if len(rest) > 1 else "watch" if query.get("watch", "").lower() == "true" else "list"
        if not self._may(verb, resource, group):
            return
        if resource == "pods/log":
            self._log(namespace or "", rest[1], query)
        elif verb == "watch":
            self._watch(namespace or "", rest[0], int(query["resourceVersion"]), float(query["timeoutSeconds"]))
        elif verb == "list":
            self._list(namespace, rest[0], query)
        else:
            found = self.server.objects.get((namespace or "", rest[0]), {}).get(rest[1])
            if found is None:
                self._status(404, "NotFound")
            else:
                self._answer(200, found)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_refused():
            return
        if self.path != REVIEWS:
            self._status(404, "NotFound")
            return
        if not self._may("create", "subjectaccessreviews", "authorization.k8s.io"):
            return
        self.server.reviews.append(body)
        spec = body["spec"]
        asked = spec["resourceAttributes"]
        resource = "/".join(filter(None, [asked["resource"], asked["subresource"]]))
        resource = f"{resource}.{asked['group']}".rstrip(".")
        who = [spec["user"], *spec["groups"]]
        allowed = any((one, asked["namespace"], asked["verb"], resource) in self.server.rights for one in who)
        status = {"allowed": allowed} if allowed else {"allowed": False, "reason": "no role binding of <b>yours</b>"}
        self._answer(201, {**body, "status": status})

    def log_message(self, *_: object) -> None:
        pass

    def _is_refused(self) -> bool:
        self.server.asked[urlsplit(self.path).path] += 1
        if self.server.is_down:
            self._status(503, "ServiceUnavailable")
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._status(401, "Unauthorized")
        else:
            return False
        return True

    def _may(self, verb: str, resource: str, group: str) -> bool:
        for rule in self.server.role:
            if group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]:
                return True
        self.server.refused.append(f"{verb} {resource}.{group}")
        self._status(403, "Forbidden")
        return False

    def _list(self, namespace: str | None, plural: str, query: dict[str, str]) -> None:
        with self.server.changed:
            kept = [
                item
                for (place, kind), found in self.server.objects.items()
                if kind == plural and namespace in (None, place)
                for item in found.values()
                if _matches(item, query)
            ]
            version = str(self.server.version)
        start = int(query.get("continue", "0"))
        limit = int(query.get("limit", "0")) or len(kept)
        more = {"continue": str(start + limit)} if start + limit < len(kept) else {}
        metadata = {"resourceVersion": version, **more}
        self._answer(
            200, {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": kept[start : start + limit]}
        )

    def _watch(self, namespace: str, plural: str, since: int, timeout_s: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        deadline = time.monotonic() + timeout_s
        try:
            for kind, item in self._events(namespace, plural, since, deadline):
                line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # who watched has ended

    def _events(self, namespace: str, plural: str, since: int, deadline: float) -> Iterator[tuple[str, dict[str, Any]]]:
        while time.monotonic() < deadline:
            with self.server.changed:
                found = [one for one in self.server.events if one[0] > since and one[1] == (namespace, plural)]
                if not found:
                    self.server.changed.wait(min(1.0, max(0.0, deadline - time.monotonic())))
                    continue
            since = found[-1][0]
            for _, _, kind, item in found:
                yield kind, item

    def _log(self, namespace: str, pod: str, query: dict[str, str]) -> None:
        content = self.server.logs.get((namespace, pod, query["container"]))
        if content is None:
            self._status(400, "BadRequest")
            return
        lines = content.splitlines(keepends=True)[-int(query["tailLines"]) :]
        self._answer(200, b"".join(lines)[-int(query["limitBytes"]) :], "text/plain")

    def _status(self, status: int, reason: str) -> None:
        self._answer(status, {"kind": "Status", "status": "Failure", "reason": reason, "code": status})

    def _answer(self, status: int, found: Any, media_type: str = "application/json") -> None:
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _place(path: str) -> tuple[str, str | None, list[str]]:
    """An API group, a namespace, and what follows."""
    _, first, *rest = path.split("/")
    group = rest.pop(0) if first == "apis" else ""
    rest.pop(0)  # the version
    return (group, rest[1], rest[2:]) if rest[0] == "namespaces" else (group, None, rest)


def _matches(item: dict[str, Any], query: dict[str, str]) -> bool:
    label, _, value = query.get("labelSelector", "").partition("=")
    if label and item["metadata"].get("labels", {}).get(label) != value:
        return False
    field, _, value = query.get("fieldSelector", "").partition("=")
    assert field in ("", "metadata.name"), field
    return not field or item["metadata"]["name"] == value
