"""The process around a servicer: port, health, reflection, signals, command-line flags."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from katib_suggestion.files.user_paths import user_path
from katib_suggestion.limits import DEFAULT, Limits
from katib_suggestion.serving import decoding
from katib_suggestion.serving.log_lines import LineFormatter
from katib_suggestion.serving.own_threads import OwnThreads
from katib_suggestion.serving.servicer import MAX_CALLS, Servicer, Suggester
from katib_suggestion.serving.tls import TlsError, TlsFiles
from katib_suggestion.wire import api_pb2

logger = logging.getLogger(__name__)

DEFAULT_PORT = 6789
"""Where the Katib controller calls."""

HEALTH_SERVICE = "manager.v1beta1.Suggestion"
"""The name that Katib's probes ask for; it is not the package of the wire."""

GRACE_S = 25.0
"""How long running calls may go on after SIGTERM; Kubernetes kills a pod 30 s after it."""

_NUM_THREADS = MAX_CALLS + 32
"""Calls may all wait for one that is slow: there must be threads left to turn others away."""


_PATIENCE = (
    # Who connects and says nothing; who says nothing any more; who is not there any more, or reads nothing.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_time_ms", 30_000),
    # Its own grpc.keepalive_timeout_ms ends no connection sooner than this.
    ("grpc.http2.ping_timeout_ms", 20_000),
    # Otherwise a fast connection may send some MiB of a body before it is asked for.
    ("grpc.http2.bdp_probe", 0),
    # None but "as it is": 60 KB may be 60 MiB, which are there before anybody has counted them.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Katib has one call at a time.
    ("grpc.max_concurrent_streams", 100),
    # Of those that nobody has looked at yet gRPC would drop some, as CANCELLED, which is "valid" to Katib.
    ("grpc.server.max_pending_requests", 1_000_000),
    ("grpc.server.max_pending_requests_hard_limit", 1_000_000),
)
"""With what a network may do to connections, as options of gRPC."""


class Server:
    """A gRPC server for one suggester, with health, reflection and an orderly end.

    The port answers at once; health turns SERVING when ``load`` has returned the suggester.

    Args:
        load: makes the suggester; it may take seconds.
        port: port to listen on, on every interface; 0 takes a free one.
        interceptors: stand around every call.
        credentials: encrypt the port, health and reflection included; None leaves it open, as Katib calls it.
        limits: beyond them, a request is refused.

    Raises:
        OSError: the port is taken, or not allowed.
    """

    def __init__(
        self,
        load: Callable[[], Suggester],
        port: int,
        interceptors: Sequence[grpc.ServerInterceptor] = (),
        credentials: grpc.ServerCredentials | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        self._load = load
        self._servicer = Servicer(limits)
        self._health = health.HealthServicer()
        self._ended = threading.Event()
        self._failed = False
        max_bytes = limits.max_message_size * 2**20
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=_NUM_THREADS),
            interceptors=[*interceptors, OwnThreads()],
            options=[
                # Otherwise a second process on the same port would silently get half of the calls.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_bytes),
                ("grpc.max_send_message_length", max_bytes),
                *_PATIENCE,
            ],
        )
        self._server.add_generic_rpc_handlers((decoding.handlers(self._servicer, limits),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        suggestion = api_pb2.DESCRIPTOR.services_by_name["Suggestion"].full_name
        reflection.enable_server_reflection((suggestion, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        address = f"[::]:{port}"
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"port {port} cannot be listened on; it may be taken") from error

    def start(self) -> None:
        """Listen, and load the suggester in the background."""
        self._server.start()
        logger.info("listening on port %d", self.port)
        threading.Thread(target=self._become_ready, name="load", daemon=True).start()

    def request_stop(self) -> None:
        """Make `run_until_stopped` return."""
        self._ended.set()

    def run_until_stopped(self) -> int:
        """Wait for `request_stop`, finish the running calls, and return the process's exit code."""
        self._ended.wait()
        self._health.enter_graceful_shutdown()
        if not self._servicer.drain(GRACE_S):
            logger.warning("calls were still running after %g s", GRACE_S)
        self._server.stop(grace=1).wait()
        return 1 if self._failed else 0

    def _become_ready(self) -> None:
        try:
            self._servicer.use(self._load())
        except Exception:
            logger.exception("the service cannot start")
            self._failed = True
            self._ended.set()
            return
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        logger.info("serving")

    def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in (HEALTH_SERVICE, health.OVERALL_HEALTH):
            self._health.set(name, status)


def add_arguments(parser: argparse.ArgumentParser, kind: type[Limits] = Limits) -> None:
    """Add the flags of every service.

    Args:
        parser: what they are added to.
        kind: the limits of the service, each of them a flag.
    """
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help="port to listen on; 0 takes a free one (default %(default)s)",
    )
    parser.add_argument(
        "--metrics-port",
        type=_port,
        metavar="PORT",
        help="port on which Prometheus reads metrics over HTTP; 0 takes a free one (default: none)",
    )
    parser.add_argument(
        "--tls-cert", type=user_path, metavar="FILE", help="encrypt the port: its certificate, in PEM (default: open)"
    )
    parser.add_argument("--tls-key", type=user_path, metavar="FILE", help="the certificate's private key, in PEM")
    parser.add_argument(
        "--tls-client-ca",
        type=user_path,
        metavar="FILE",
        help="take calls only from who has a certificate signed by one of these, in PEM (default: from anybody)",
    )
    parser.add_argument(
        "--log-level",
        default="info",
        choices=["debug", "info", "warning", "error"],
        help="what the log on standard error holds (default %(default)s)",
    )
    kind.add_arguments(parser)


def serve(load: Callable[[], Suggester], arguments: argparse.Namespace) -> int:
    """Run a service in the foreground until SIGTERM or SIGINT; return its exit code.

    Args:
        load: makes the suggester.
        arguments: parsed flags of `add_arguments`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=arguments.log_level.upper(), handlers=[handler])
    # A handler would interrupt whatever holds a lock, the event's own included: a thread waits for the signals instead,
    # and every thread that is made from here on leaves them to it.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        limits = Limits.of(arguments)
        server = Server(load, arguments.port, _interceptors(arguments), _credentials(arguments), limits)
    except TlsError as error:
        logger.error("%s", error)
        return os.EX_CONFIG
    except OSError as error:
        logger.error("%s", error)
        return os.EX_UNAVAILABLE

    def stop_at_a_signal() -> None:
        signal.sigwait(signals)
        server.request_stop()

    threading.Thread(target=stop_at_a_signal, name="signals", daemon=True).start()
    server.start()
    return server.run_until_stopped()


def _interceptors(arguments: argparse.Namespace) -> list[grpc.ServerInterceptor]:
    if arguments.metrics_port is None:
        return []
    import prometheus_client

    from katib_suggestion.serving import metrics

    port = metrics.listen(arguments.metrics_port, prometheus_client.REGISTRY)
    logger.info("metrics on port %d", port)
    return [metrics.CallMetrics(prometheus_client.REGISTRY)]


def _credentials(arguments: argparse.Namespace) -> grpc.ServerCredentials | None:
    certificate, key, client_authority = arguments.tls_cert, arguments.tls_key, arguments.tls_client_ca
    if (certificate is None) != (key is None):
        raise TlsError("TLS: --tls-cert and --tls-key go together")
    if certificate is None:
        if client_authority is not None:
            raise TlsError("TLS: --tls-client-ca needs --tls-cert and --tls-key")
        return None
    return TlsFiles(certificate=certificate, key=key, client_authority=client_authority).credentials()


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: it must be between 0 and 65535")
    return port
