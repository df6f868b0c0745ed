"""From the body of a request to its message.

gRPC's own way answers bytes that are no message, or a text in them that is no UTF-8, with INTERNAL, which Katib takes
for "valid". So the bytes come here as they are. Their fields are counted before anything is made of them: an empty
trial is two bytes on the wire, and some 250 in memory.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

import grpc
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message

from katib_suggestion.limits import Limits
from katib_suggestion.serving.caller import Unavailable
from katib_suggestion.serving.intake import Intake, MakeRoom
from katib_suggestion.wire import api_pb2

_SERVICE = api_pb2.DESCRIPTOR.services_by_name["Suggestion"]
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_NUMBERS = object()
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_WITHOUT_END = "an integer without an end"


class Servicer(Protocol):
    """Has a method for each of the service's, which answers with a message."""

    def counted(self, context: grpc.ServicerContext, make_room: MakeRoom) -> AbstractContextManager[object]:
        """Count a call as running within, or turn it away."""


def handlers(servicer: Servicer, limits: Limits) -> grpc.GenericRpcHandler:
    """Return what answers the calls of the Suggestion service with a servicer's methods.

    A call is counted before its body is received: to gRPC it is one of a stream of requests, of which one is read. On
    the wire that is the same.

    Args:
        servicer: answers.
        limits: how many fields a request may have.
    """
    intake = Intake()
    return grpc.method_handlers_generic_handler(
        _SERVICE.full_name,
        {
            method.name: grpc.stream_unary_rpc_method_handler(
                _decoded(method, servicer, limits, intake), response_serializer=lambda reply: reply.SerializeToString()
            )
            for method in _SERVICE.methods
        },
    )


def _decoded(
    method: MethodDescriptor, servicer: Servicer, limits: Limits, intake: Intake
) -> Callable[[Iterator[bytes], grpc.ServicerContext], Message]:
    descriptor = method.input_type
    message: type[Message] = getattr(api_pb2, descriptor.name)
    answer: Callable[[Message, grpc.ServicerContext], Message] = getattr(servicer, method.name)

    def read(request: bytes) -> Message:
        try:
            # No field is shorter than a byte.
            if len(request) > limits.max_fields and has_more_fields(request, descriptor, limits.max_fields):
                said = f"it has more fields than are allowed: {limits.allowed('max_fields')}"
            else:
                return message.FromString(request)
        except (DecodeError, ValueError):
            said = f"these {len(request)} bytes are no {descriptor.name}, or hold text that is no UTF-8"
        raise _Unreadable(f"request: {said}")

    def answer_body(bodies: Iterator[bytes], context: grpc.ServicerContext) -> Message:
        with servicer.counted(context, intake.make_room), ExitStack() as at_work:
            # A request can be as large as half of a pod's memory: nothing here holds its bytes, or its message, for
            # longer than who answers does.
            try:
                with intake.turn(context):
                    body = [_only(bodies)]
                    at_work.enter_context(intake.holding(len(body[0])))
                    decoded = [read(body.pop())]
            except Unavailable as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            except _Unreadable as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return answer(decoded.pop(), context)

    return answer_body


def _only(bodies: Iterator[bytes]) -> bytes:
    for body in bodies:
        return body
    raise _Unreadable("request: there is none")


class _Unreadable(ValueError):
    """A request's bytes are not taken."""


def has_more_fields(message: bytes, descriptor: Descriptor, most: int) -> bool:
    """Tell whether a message and those in it have more than so many fields, each of a list counted.

    Args:
        message: its bytes.
        descriptor: of it.
        most: how many fields are no more.

    Raises:
        ValueError: the bytes are no message.
    """
    count = 0
    waiting = [(0, len(message), _inner(descriptor))]
    while waiting:
        position, end, inner = waiting.pop()
        while position < end:
            count += 1
            if count > most:
                return True
            # Nearly all keys and lengths are a byte.
            key, position = message[position], position + 1
            if key > 127:
                key, position = _varint(message, position - 1)
            wire_type = key & 7
            if wire_type == _LENGTH_DELIMITED:
                if position == end:
                    raise ValueError(_WITHOUT_END)
                length, position = message[position], position + 1
                if length > 127:
                    length, position = _varint(message, position - 1)
                kind = inner.get(key >> 3)
                if kind is not None and length:
                    if kind is _NUMBERS:
                        # A list in one piece, where a number can be as small as a byte.
                        count += length
                    else:
                        waiting.append((position, position + length, _inner(kind)))
                position += length
            elif wire_type == _VARINT:
                _, position = _varint(message, position)
            elif wire_type in _FIXED:
                position += _FIXED[wire_type]
            else:
                raise ValueError(f"no field of Katib's has the wire type {wire_type}")
        if position != end:
            raise ValueError("a field goes on beyond the end of its message")
    return count > most


@functools.cache
def _inner(descriptor: Descriptor) -> Mapping[int, object]:
    """Of each field that holds messages, by its number, their descriptor; of each with numbers, `_NUMBERS`."""
    return {
        field.number: field.message_type or _NUMBERS
        for field in descriptor.fields
        if field.cpp_type != field.CPPTYPE_STRING
    }


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Read an integer; return it and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError(_WITHOUT_END)
