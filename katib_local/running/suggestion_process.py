"""The suggestion service of an experiment, as a process of this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib_local.errors import SuggestionError
from katib_local.running import leftovers
from katib_local.running.interruption import Interruption

MODULES: Mapping[str, str] = MappingProxyType({"enas": "enas_service", "darts": "darts_service"})
"""Algorithms and the packages that serve them."""

HEALTH_SERVICE = "manager.v1beta1.Suggestion"
"""The name that Katib's probes ask for."""

START_TIMEOUT_S = 120.0
"""How long a service may take to become ready; importing TensorFlow on a cold disk takes a while."""

STOP_TIMEOUT_S = 5.0
"""How long a service may take to end after SIGTERM before it is killed."""

_ATTEMPTS = 3
_POLL_S = 0.05


class SuggestionProcess:
    """A service that is started on a free port, watched, and stopped whatever happens.

    Args:
        module: package to run with ``python -m``.
        arguments: its flags, without the port.
        log: file that its output is appended to.
        interruption: ends the waiting.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: Path, interruption: Interruption) -> None:
        self._module = module
        self._arguments = tuple(arguments)
        self._log = log
        self._interruption = interruption
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""
        """HOST:PORT, once the service is ready."""

    def __enter__(self) -> "SuggestionProcess":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the service, on another port where its own was taken meanwhile, and wait until it serves.

        Raises:
            SuggestionError: it ends, or is not ready in time.
        """
        leftovers.end(self._log)
        for _ in range(_ATTEMPTS):
            self._spawn(_free_port())
            try:
                wait_until_serving(self.address, START_TIMEOUT_S, self._interruption, self._check_alive)
            except _PortTaken:
                continue
            return
        raise SuggestionError(f"{self._module} found no free port in {_ATTEMPTS} attempts")

    def stop(self) -> None:
        """Ask the service to end, and kill it where it does not."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                leftovers.signal_group(process.pid, signal.SIGKILL)
                process.wait()
        self._process = None

    def _spawn(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        command = [sys.executable, "-m", self._module, "--port", str(port), *self._arguments]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal must not reach the service before the trials are saved.
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **leftovers.mark(self._log)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _check_alive(self) -> None:
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return
        if code == os.EX_UNAVAILABLE:
            raise _PortTaken
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
        raise SuggestionError(f"{self._module} ended with code {code} before it served; it said {lines[-1]!r}")


class _PortTaken(Exception):
    """Another process took the port between our choice and the service's start."""


def wait_until_serving(
    address: str, timeout_s: float, interruption: Interruption, check: Callable[[], None] = lambda: None
) -> None:
    """Wait until a service's health is SERVING, as Katib's readiness probe does.

    Args:
        address: HOST:PORT.
        timeout_s: how long.
        interruption: ends the waiting.
        check: is called between two questions, and raises where waiting is of no use.

    Raises:
        SuggestionError: it is not ready in time.
    """
    deadline = time.monotonic() + timeout_s
    with open_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        problem = "no answer"
        while time.monotonic() < deadline:
            check()
            try:
                reply = stub.Check(health_pb2.HealthCheckRequest(service=HEALTH_SERVICE), timeout=1)
            except grpc.RpcError as error:
                problem = f"{error.code().name}: {error.details()}"
            else:
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                problem = f"health {health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)}"
            interruption.sleep(_POLL_S)
    raise SuggestionError(f"the service at {address} was not ready after {timeout_s:g} s ({problem})")


def open_channel(address: str) -> grpc.Channel:
    """Open a channel to a service of this machine or cluster: no proxy, and room for a reply of any size."""
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # A refused connection is tried again at once; the default waits up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 500),
    ]
    return grpc.insecure_channel(address, options=options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
