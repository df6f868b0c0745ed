"""Kubeflow's gateway and dashboard, as far as a page in its menu meets them.

The gateway knows who has logged in, says so in a header, and takes the prefix off. The dashboard has a menu of
namespaces, a frame, and a library that tells the page in the frame which of them is chosen, by the same messages as
that of kubeflow/dashboard.
"""

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PREFIX = "/katib-nas/"

LIBRARY = """
window.centraldashboard = { CentralDashboardEventHandler: {
  init(callback) {
    const isIframed = window.location !== window.parent.location;
    callback(this, isIframed);
    if (!isIframed) return;
    window.addEventListener("message", ({ data }) => {
      if (data.type === "namespace-selected") this.onNamespaceSelected?.(data.value);
    });
    window.parent.postMessage({ type: "iframe-connected" }, window.parent.origin);
  },
} };
"""

PARENT = """<!doctype html><html lang="en"><title>Kubeflow</title><link rel="icon" href="data:,">
<style>
  body { margin: 0; display: grid; grid: 3.5rem 1fr / 13rem 1fr; height: 100vh; font: 1rem sans-serif; }
  header { grid-column: 1 / -1; display: flex; gap: 2rem; align-items: center; padding: 0 1rem; }
  header { background: #003c75; color: #fff; }
  nav { padding: 1rem; background: #f0f4f9; color: #333; line-height: 2.2; }
  iframe { border: 0; width: 100%; height: 100%; }
</style>
<header><b>Kubeflow</b> <select id="namespace"><option>team<option>others<option>secret</select></header>
<nav>Home<br>Notebooks<br>Katib Experiments<br><b>Architecture Searches</b><br>Pipelines</nav>
<iframe src="/katib-nas/" title="page"></iframe>
<script>
  const frame = document.querySelector("iframe"), menu = document.getElementById("namespace");
  const tell = () => frame.contentWindow.postMessage({ type: "namespace-selected", value: menu.value }, origin);
  addEventListener("message", ({ data }) => {
    if (data.type !== "iframe-connected") return;
    frame.contentWindow.postMessage({ type: "parent-connected", value: null }, origin);
    tell();
  });
  menu.addEventListener("change", tell);
</script></html>
"""


class Gateway(ThreadingHTTPServer):
    """Lets one user in, and leads to a dashboard of ours.

    Args:
        target: address of our pages.
        user: who has logged in.
    """

    daemon_threads = True

    def __init__(self, target: str, user: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.user = urlsplit(target).netloc, user
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        if self.path.startswith(PREFIX):
            with contextlib.suppress(OSError):
                self._lead_on()
        elif self.path == "/dashboard_lib.bundle.js":
            self._answer("text/javascript", LIBRARY)
        else:
            self._answer("text/html", PARENT)

    def log_message(self, *_: object) -> None:
        pass

    def _lead_on(self) -> None:
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("kubeflow-")}
        path = self.path.removeprefix(PREFIX.rstrip("/"))
        with contextlib.closing(http.client.HTTPConnection(self.server.target)) as connection:
            connection.request("GET", path, headers=headers | {"kubeflow-userid": self.server.user})
            self._hand_over(connection.getresponse())

    def _hand_over(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(part)
            self.wfile.flush()

    def _answer(self, media_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
