"""An API server that holds one Experiment with its trials, as Katib 0.19 leaves them."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

OBJECTS = Path(__file__).with_name("report") / "cluster_objects"
PLACE = "/apis/kubeflow.org/v1beta1/namespaces/team"


class ApiServer(ThreadingHTTPServer):
    """As much of Kubernetes' API as holds one Experiment."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, Any] = {
            f"{PLACE}/{path}": json.loads((OBJECTS / file).read_text())
            for path, file in (
                ("experiments/enas-digits", "experiment.json"),
                ("suggestions/enas-digits", "suggestion.json"),
                ("trials", "trials.json"),
            )
        }
        self.refusal: tuple[int, str] | None = None


class Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        found = self.server.objects.get(address.path)
        if self.server.refusal is not None:
            status, found = self.server.refusal[0], {"kind": "Status", "reason": self.server.refusal[1]}
        elif found is None:
            status, found = 404, {"kind": "Status", "reason": "NotFound"}
        else:
            status, found = 200, _selected(found, parse_qs(address.query).get("labelSelector"))
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _selected(found: dict[str, Any], selector: list[str] | None) -> dict[str, Any]:
    """A list with those that have a label."""
    if selector is None:
        return found
    name, _, value = selector[0].partition("=")
    return {**found, "items": [item for item in found["items"] if item["metadata"]["labels"].get(name) == value]}
