"""From the bytes of a request to its message.

gRPC's own way answers bytes that are no message, or a text in them that is no UTF-8, with INTERNAL, which Katib takes
for "valid". So the bytes come here as they are.
"""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from katib_suggestion import api_pb2

_SERVICE = api_pb2.DESCRIPTOR.services_by_name["Suggestion"]


def handlers(servicer: object) -> grpc.GenericRpcHandler:
    """Return what answers the calls of the Suggestion service with a servicer's methods.

    Args:
        servicer: has a method for each of the service's; what it answers is a message.
    """
    return grpc.method_handlers_generic_handler(
        _SERVICE.full_name,
        {
            method.name: grpc.unary_unary_rpc_method_handler(
                _decoded(getattr(api_pb2, method.input_type.name), getattr(servicer, method.name)),
                response_serializer=lambda reply: reply.SerializeToString(),
            )
            for method in _SERVICE.methods
        },
    )


def _decoded(
    message: type[Message], answer: Callable[[Any, grpc.ServicerContext], Message]
) -> Callable[[bytes, grpc.ServicerContext], Message]:
    def answer_bytes(request: bytes, context: grpc.ServicerContext) -> Message:
        try:
            decoded = message.FromString(request)
        except DecodeError:
            said = (
                f"request: these {len(request)} bytes are no {message.DESCRIPTOR.name}, or hold text that is no UTF-8"
            )
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, said)
        return answer(decoded, context)

    return answer_bytes
