"""From the bytes of a request to its message.

gRPC's own way answers bytes that are no message, or a text in them that is no UTF-8, with INTERNAL, which Katib takes
for "valid". So the bytes come here as they are. Their fields are counted before anything is made of them: an empty
trial is two bytes on the wire, and some 250 in memory.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from katib_suggestion import api_pb2
from katib_suggestion.limits import Limits

_SERVICE = api_pb2.DESCRIPTOR.services_by_name["Suggestion"]
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_NUMBERS = object()
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_WITHOUT_END = "an integer without an end"


def handlers(servicer: object, limits: Limits) -> grpc.GenericRpcHandler:
    """Return what answers the calls of the Suggestion service with a servicer's methods.

    Args:
        servicer: has a method for each of the service's; what it answers is a message.
        limits: how many fields a request may have.
    """
    return grpc.method_handlers_generic_handler(
        _SERVICE.full_name,
        {
            method.name: grpc.unary_unary_rpc_method_handler(
                _decoded(
                    getattr(api_pb2, method.input_type.name), method.input_type, getattr(servicer, method.name), limits
                ),
                # gRPC keeps what it hands on until the call is over: a list, whose bytes can be taken out.
                request_deserializer=lambda request: [request],
                response_serializer=lambda reply: reply.SerializeToString(),
            )
            for method in _SERVICE.methods
        },
    )


def _decoded(
    message: type[Message],
    descriptor: Descriptor,
    answer: Callable[[Any, grpc.ServicerContext], Message],
    limits: Limits,
) -> Callable[[list[bytes], grpc.ServicerContext], Message]:
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

    def answer_bytes(request: list[bytes], context: grpc.ServicerContext) -> Message:
        # A request can be as large as half of a pod's memory: nothing here holds its bytes, or its message, for longer
        # than who answers does.
        try:
            decoded = [read(request.pop())]
        except _Unreadable as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return answer(decoded.pop(), context)

    return answer_bytes


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
