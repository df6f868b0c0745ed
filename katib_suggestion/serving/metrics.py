"""What a service tells Prometheus: calls by status code, and how long they take."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

import grpc
import prometheus_client
from prometheus_client.registry import CollectorRegistry

from katib_suggestion.wire import api_pb2

_SERVICE = f"/{api_pb2.DESCRIPTOR.services_by_name['Suggestion'].full_name}/"
_PATIENCE_S = 10.0
"""With a connection that says nothing: it has a thread for itself."""


class CallMetrics(grpc.ServerInterceptor):
    """Counts and times the calls of the Suggestion service; health and reflection are not counted.

    Args:
        registry: where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = prometheus_client.Counter(
            "katib_nas_calls", "Calls by method and status code.", ["method", "code"], registry=registry
        )
        self._seconds = prometheus_client.Histogram(
            "katib_nas_call_seconds", "Duration of calls in seconds.", ["method"], registry=registry
        )

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler of a call."""
        handler = continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_SERVICE):
            return handler
        method = handler_call_details.method.removeprefix(_SERVICE)

        def answer(requests: Any, context: grpc.ServicerContext) -> Any:
            started = time.monotonic()
            # Of a call that is ended by an exception, without a status, the client sees UNKNOWN.
            code = grpc.StatusCode.UNKNOWN
            try:
                reply = handler.stream_unary(requests, context)
                code = grpc.StatusCode.OK
                return reply
            finally:
                # grpc's types leave `code` out.
                set_code: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined]
                self._calls.labels(method, (set_code or code).name).inc()
                self._seconds.labels(method).observe(time.monotonic() - started)

        return grpc.stream_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)


def listen(port: int, registry: CollectorRegistry) -> int:
    """Answer Prometheus over HTTP in the background, and return the port.

    Args:
        port: 0 takes a free one.
        registry: what is told.

    Raises:
        OSError: the port is taken, or not allowed.
    """
    try:
        server, _ = prometheus_client.start_http_server(port, registry=registry)
    except OSError as error:
        raise OSError(f"port {port} for metrics cannot be listened on: {error.strerror}") from error
    server.RequestHandlerClass = _Handler
    return int(server.server_port)


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE_S

    def handle(self) -> None:
        """Answer, if it is asked anything."""
        with suppress(TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Log nothing."""
