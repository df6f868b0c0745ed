"""Our descriptor against the one inside Katib's published client."""

import subprocess
from pathlib import Path

from google.protobuf import descriptor_pb2

from katib_suggestion.wire import api_pb2

PRINT_DESCRIPTOR = (
    "import sys; from kubeflow.katib import katib_api_pb2 as m; sys.stdout.buffer.write(m.DESCRIPTOR.serialized_pb)"
)


def katibs(python: Path) -> descriptor_pb2.FileDescriptorProto:
    printed = subprocess.run([python, "-c", PRINT_DESCRIPTOR], capture_output=True, check=True, timeout=60)
    return descriptor_pb2.FileDescriptorProto.FromString(printed.stdout)


def ours() -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto.FromString(api_pb2.DESCRIPTOR.serialized_pb)


def messages(found, prefix=""):
    """Every message by its full name: its fields as (number, name, label, type, type's name)."""
    table = {}
    for message in found:
        name = f"{prefix}{message.name}"
        table[name] = {
            (field.number, field.name, field.label, field.type, field.type_name) for field in message.field
        } | {("map entry", message.options.map_entry)}
        table |= messages(message.nested_type, f"{name}.")
    return table


def enums(found, nested, prefix=""):
    table = {f"{prefix}{enum.name}": {(value.number, value.name) for value in enum.value} for enum in found}
    for message in nested:
        table |= enums(message.enum_type, message.nested_type, f"{prefix}{message.name}.")
    return table


def methods(found):
    return {
        (service.name, method.name, method.input_type, method.output_type, method.client_streaming)
        for service in found
        for method in service.method
    }


def test_every_message_enum_and_method_is_katibs(katib_python):
    theirs, mine = katibs(katib_python), ours()
    assert mine.package == theirs.package == "api.v1.beta1"
    assert mine.syntax == theirs.syntax == "proto3"
    assert messages(mine.message_type) == messages(theirs.message_type)
    assert len(messages(mine.message_type)) > 40
    assert enums(mine.enum_type, mine.message_type) == enums(theirs.enum_type, theirs.message_type)
    assert methods(mine.service) == methods(theirs.service)
    assert {name for name, *_ in methods(mine.service)} == {"DBManager", "Suggestion", "EarlyStopping"}
