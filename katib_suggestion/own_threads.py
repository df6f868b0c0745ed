"""Threads for health and reflection, which calls of the service cannot take away from them."""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

from katib_suggestion import api_pb2

_SERVICE = f"/{api_pb2.DESCRIPTOR.services_by_name['Suggestion'].full_name}/"
_WITHIN_S = 1.0
"""The body of a health check, of a few bytes, must be there."""

Answer = Callable[[Any, grpc.ServicerContext], Any]


class OwnThreads(grpc.ServerInterceptor):
    """Answers the calls of each service but Suggestion in threads of its own.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pools: dict[str, futures.ThreadPoolExecutor] = {}

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Replace the handler of a call."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_SERVICE):
            return handler
        service, _, _ = handler_call_details.method.rpartition("/")
        # gRPC asks in one thread.
        pool = self._pools.setdefault(service, futures.ThreadPoolExecutor(self._count, service))
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                _in(pool, handler.stream_stream), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_unary is None:
            return handler  # health's Watch has no need of threads

        def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            return handler.unary_unary(_soon(requests, context), context)

        return grpc.stream_unary_rpc_method_handler(
            _in(pool, answer), handler.request_deserializer, handler.response_serializer
        )


def _in(pool: futures.ThreadPoolExecutor, answer: Answer) -> Answer:
    def in_own_thread(requests: Any, context: grpc.ServicerContext) -> Any:
        return answer(requests, context)

    in_own_thread.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return in_own_thread


def _soon(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    """The only request; a call whose request does not come is given up."""
    timer = threading.Timer(_WITHIN_S, context.cancel)
    timer.start()
    try:
        return next(requests)
    finally:
        timer.cancel()
