"""The dashboard's image inside its limits, as a stranger among users, with nothing to write on."""

import contextlib
import http.client
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dashboard.api_server import ApiServer
from tests.images.conftest import RESTRICTED, call, image

ROOT = Path(__file__).parents[2]
EXPERIMENT = "enas-digits"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    documents = yaml.safe_load_all((ROOT / "manifests/dashboard/base/rights.yaml").read_text())
    (role,) = (one["rules"] for one in documents if one["kind"] == "ClusterRole")
    server = ApiServer(role)
    server.put_recorded("team")
    server.allow("ada", "team")
    server.kubeconfig(tmp_path / "kubeconfig").chmod(0o644)
    yield server
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def running(kubeconfig: Path) -> Iterator[tuple[str, Callable[..., tuple[int, str]]]]:
    """Start the image as the manifest does, on a port of this machine's."""
    name = f"katib-nas-test-{uuid.uuid4().hex[:8]}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mount = (f"--volume={kubeconfig}:/kubeconfig:ro", "--env=KUBECONFIG=/kubeconfig")
    flags = ("--cluster", "--review", "--host=0.0.0.0", f"--port={port}", "--db-manager=127.0.0.1:1")
    started = call("run", "--detach", "--name", name, "--memory=100m", *RESTRICTED, *mount, image("dashboard"), *flags)
    assert started.returncode == 0, started.stderr

    def get(path: str, **headers: str) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                if get("/-/health") == (200, "serving\n"):
                    break
            assert time.monotonic() < deadline, call("logs", name).stderr
            time.sleep(0.1)
        yield name, get
    finally:
        call("rm", "--force", name)


def test_it_shows_to_each_what_is_theirs_within_its_limits_and_ends_in_order(
    api: ApiServer, engine: Any, tmp_path: Path
) -> None:
    with running(tmp_path / "kubeconfig") as (name, get):
        assert get("/team/")[0] == 401
        assert get("/team/", kubeflow_userid="eve")[0] == 403
        for path in ("/team/", f"/team/{EXPERIMENT}/", f"/team/{EXPERIMENT}/{EXPERIMENT}-hx7lw2np/"):
            status, text = get(path, kubeflow_userid="ada")
            assert status == 200, text
            assert "0.3625" in text
        assert get("/-/static/plotly.js?v=1", kubeflow_userid="ada")[0] == 200
        assert engine("stop", "--time", "30", name).returncode == 0
        state = yaml.safe_load(engine("inspect", name).stdout)[0]["State"]
    assert state["ExitCode"] == 0
    assert state["OOMKilled"] is False
    assert api.refused == []


def test_it_is_the_version_of_the_manifest() -> None:
    given = yaml.safe_load((ROOT / "manifests/dashboard/base/kustomization.yaml").read_text())
    assert given["images"] == [{"name": "katib-nas/dashboard", "newTag": version("katib-nas")}]
