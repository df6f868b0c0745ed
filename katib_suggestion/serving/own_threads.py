"""Threads for health and reflection, which calls of the service cannot take away from them."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from katib_suggestion.wire import api_pb2

_SERVICE = f"/{api_pb2.DESCRIPTOR.services_by_name['Suggestion'].full_name}/"
_NUM_THREADS = 64
"""Of a service."""
_MOST_COMING = 32
"""Bodies that are received at once; of more, the oldest is given up."""

Answer = Callable[[Any, grpc.ServicerContext], Any]


class OwnThreads(grpc.ServerInterceptor):
    """Answers the calls of each service but Suggestion in threads of its own."""

    def __init__(self) -> None:
        self._pools: dict[str, futures.ThreadPoolExecutor] = {}
        self._coming: deque[Callable[[], object]] = deque()
        self._changing = threading.Lock()

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Replace the handler of a call."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_SERVICE):
            return handler
        service, _, _ = handler_call_details.method.rpartition("/")
        # gRPC asks in one thread.
        pool = self._pools.setdefault(service, futures.ThreadPoolExecutor(_NUM_THREADS, service))
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                _in(pool, handler.stream_stream), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_unary is None:
            return handler  # health's Watch has no need of threads

        def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            with self._giving_up_the_oldest(context.cancel):
                request = next(requests)
            return handler.unary_unary(request, context)

        return grpc.stream_unary_rpc_method_handler(
            _in(pool, answer), handler.request_deserializer, handler.response_serializer
        )

    @contextmanager
    def _giving_up_the_oldest(self, cancel: Callable[[], object]) -> Iterator[None]:
        with self._changing:
            self._coming.append(cancel)
            if len(self._coming) > _MOST_COMING:
                self._coming.popleft()()
        try:
            yield
        finally:
            with self._changing:
                if cancel in self._coming:
                    self._coming.remove(cancel)


def _in(pool: futures.ThreadPoolExecutor, answer: Answer) -> Answer:
    def in_own_thread(requests: Any, context: grpc.ServicerContext) -> Any:
        return answer(requests, context)

    in_own_thread.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return in_own_thread
