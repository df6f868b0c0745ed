"""Threads for health and reflection, which calls of the service cannot take away from them."""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from katib_suggestion.serving.intake import first_of_most
from katib_suggestion.wire import api_pb2

_SERVICE = f"/{api_pb2.DESCRIPTOR.services_by_name['Suggestion'].full_name}/"
_NUM_THREADS = 64
"""Of a method."""
_MOST_CALLS = 32
"""Of a method at once; of more, the oldest of who has most is given up. Few watch health, and none asks for long."""

Answer = Callable[[Any, grpc.ServicerContext], Any]


class OwnThreads(grpc.ServerInterceptor):
    """Answers the calls of each service but Suggestion in threads that each of its methods has for itself.

    To gRPC each is one of a stream of requests, so that a body that does not come can be given up. Who watches health
    has a thread, too: gRPC's way without one sends under a lock for which the one thread may wait that tells of what
    was sent, and then nobody is answered any more.
    """

    def __init__(self) -> None:
        self._methods: dict[str, _Method] = {}

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Replace the handler of a call."""
        handler, name = continuation(handler_call_details), handler_call_details.method
        if handler is None or name.startswith(_SERVICE):
            return handler
        # gRPC asks in one thread.
        method = self._methods.setdefault(name, _Method(name))
        answers, make = method.answering(handler)
        return make(_in(method.threads, answers), handler.request_deserializer, handler.response_serializer)


class _Method:
    """The calls of a method."""

    def __init__(self, name: str) -> None:
        self.threads = futures.ThreadPoolExecutor(_NUM_THREADS, name)
        self._calls: list[grpc.ServicerContext] = []
        self._changing = threading.Lock()

    def answering(self, handler: Any) -> tuple[Answer, Callable[..., "grpc.RpcMethodHandler[Any, Any]"]]:
        """Return what answers with a handler's own way, and what makes a handler of that."""

        def one(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            with self._counted(context):
                return handler.unary_unary(_only(requests, context), context)

        def many(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            with self._counted(context):
                if handler.stream_stream is None:
                    # Not told how to send by itself, Watch leaves it to this thread.
                    yield from handler.unary_stream(_only(requests, context), context)
                else:
                    yield from handler.stream_stream(requests, context)

        if handler.response_streaming:
            return many, grpc.stream_stream_rpc_method_handler
        return one, grpc.stream_unary_rpc_method_handler

    @contextmanager
    def _counted(self, context: grpc.ServicerContext) -> Iterator[None]:
        with self._changing:
            self._calls.append(context)
            too_many = len(self._calls) > _MOST_CALLS
            given_up = self._calls.pop(first_of_most([one.peer() for one in self._calls])) if too_many else None
        if given_up is not None:
            given_up.cancel()
        try:
            yield
        finally:
            with self._changing:
                if context in self._calls:
                    self._calls.remove(context)


def _only(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    for request in requests:
        return request
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no request")
    raise AssertionError("abort returned")


def _in(threads: futures.ThreadPoolExecutor, answer: Answer) -> Answer:
    def in_own_thread(requests: Any, context: grpc.ServicerContext) -> Any:
        return answer(requests, context)

    in_own_thread.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return in_own_thread
