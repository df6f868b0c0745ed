"""The images, in containers: a container engine runs them, and `make test-images` says which.

``KATIB_NAS_TEST_ENGINE`` is the command of docker, podman, or whatever takes their arguments; without it these tests
are skipped.
"""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib_suggestion.serving.server import HEALTH_SERVICE
from katib_suggestion.wire import api_pb2_grpc

ENGINE = shlex.split(os.environ.get("KATIB_NAS_TEST_ENGINE", ""))

RESTRICTED = ("--read-only", "--cap-drop=all", "--user=12345:0", "--network=host")
"""As a cluster that trusts nobody runs them; a service's port is reached on this machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not ENGINE:
        for item in items:
            if item.path.parent.name == "images":
                item.add_marker(pytest.mark.skip(reason="KATIB_NAS_TEST_ENGINE names no container engine"))


def image(name: str) -> str:
    return f"katib-nas/{name}:{version('katib-nas')}"


def call(*arguments: str, stdin: str | None = None, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine."""
    return subprocess.run(
        [*ENGINE, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
    )


@dataclass(frozen=True)
class Container:
    """A service that runs in a container."""

    name: str
    stub: api_pb2_grpc.SuggestionStub
    health: health_pb2_grpc.HealthStub

    def wait_until_serving(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        request = health_pb2.HealthCheckRequest(service=HEALTH_SERVICE)
        status = health_pb2.HealthCheckResponse.UNKNOWN
        while status != health_pb2.HealthCheckResponse.SERVING:
            assert time.monotonic() < deadline, self.log()
            with contextlib.suppress(grpc.RpcError):
                status = self.health.Check(request, timeout=5, wait_for_ready=True).status
            time.sleep(0.05)

    def log(self) -> str:
        shown = call("logs", self.name)
        return shown.stdout + shown.stderr

    def state(self) -> dict[str, Any]:
        document: list[dict[str, Any]] = json.loads(call("inspect", self.name).stdout)
        state: dict[str, Any] = document[0]["State"]
        return state


@contextlib.contextmanager
def running(name: str, *flags: str) -> Iterator[Container]:
    """Start a service's image with an engine's flags; it is removed at the end."""
    container = f"katib-nas-test-{uuid.uuid4().hex[:8]}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Podman mounts file systems to write on where the root is read-only; Kubernetes does not.
    strict = ["--read-only-tmpfs=false"] if "podman" in ENGINE[-1] else []
    started = call(
        "run", "--detach", "--name", container, *RESTRICTED, *strict, *flags, image(name), "--port", str(port)
    )
    assert started.returncode == 0, started.stderr
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Container(container, api_pb2_grpc.SuggestionStub(channel), health_pb2_grpc.HealthStub(channel))
    finally:
        call("rm", "--force", container)


@pytest.fixture
def engine() -> Callable[..., subprocess.CompletedProcess[str]]:
    return call


@pytest.fixture
def service() -> Callable[..., contextlib.AbstractContextManager[Container]]:
    return running


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in an image as a trial's container runs it: nothing but /tmp can be written."""

    def run(name: str, *words: str, flags: tuple[str, ...] = (), stdin: str | None = None) -> Any:
        interactive = ["--interactive"] if stdin is not None else []
        # An image of a service would take the words for its flags.
        entry = ["--entrypoint", words[0]]
        return call(
            "run",
            "--rm",
            *interactive,
            *RESTRICTED,
            "--tmpfs=/tmp",
            *flags,
            *entry,
            image(name),
            *words[1:],
            stdin=stdin,
        )

    return run


@pytest.fixture
def inspect() -> Callable[[str], dict[str, Any]]:
    """What the engine says of an image."""

    def read(name: str) -> dict[str, Any]:
        shown = call("image", "inspect", image(name))
        assert shown.returncode == 0, shown.stderr
        document: list[dict[str, Any]] = json.loads(shown.stdout)
        config: dict[str, Any] = document[0]["Config"]
        return config

    return read
