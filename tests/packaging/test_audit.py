"""`make audit` against a vulnerability service of the test's own, and against none."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/audit.py"
VULNERABILITY = {
    "id": "TEST-1",
    "affected": [
        {
            "package": {"name": "torn", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.3"}]}],
        }
    ],
}


class Service(BaseHTTPRequestHandler):
    """Answers as OSV does: it knows of a vulnerability in a package named torn, and fails over one named breaking."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        body = json.dumps({"vulns": [VULNERABILITY]} if asked == "torn" else {}).encode()
        self.send_response(503 if asked == "breaking" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("pins", "code", "said"),
    [
        ("whole==1.0", 0, "1 packages, 0 known vulnerabilities"),
        ("whole==1.0 torn==1.2", 1, "torn 1.2: TEST-1, mended in 1.3\n2 packages, 1 known vulnerabilities"),
        ("whole==1.0 breaking==1.0", 0, "not audited"),
        ("whole>=1.0", 1, ""),
    ],
    ids=["nothing known", "a vulnerability", "the service fails", "not a pin"],
)
def test_a_known_vulnerability_fails(pins: str, code: int, said: str, service: str, tmp_path: Path) -> None:
    finished = audit(pins, service, tmp_path)
    assert finished.returncode == code, finished.stdout + finished.stderr
    assert finished.stdout.startswith(said)


def test_no_service_fails_nothing_and_is_said(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as closed:
        port = closed.server_port
    finished = audit("torn==1.2", f"http://127.0.0.1:{port}/", tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.startswith("not audited: the vulnerability service does not answer: ")


def audit(pins: str, service: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "pins.txt"
    file.write_text("\n".join(pins.split()))
    command = [sys.executable, str(SCRIPT), "--pins", str(file), "--service", service]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
