"""Messages that nobody would send: drawn from their descriptors, or a good one with a place or two changed."""

import math
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_INTEGERS = [0, -1, 1, 2, 3, 10, 99, 100, 101, 1_000, 1_001, 10_000, 10_001, 1_000_000, 2**31 - 1, -(2**31)]
_NUMBERS = [*map(str, _INTEGERS), "0.5", "1e-300", "1e300", "1e-9", "NaN", "Infinity", "-0", "+1", "1_0", "0x1", " 1"]
_WORDS = [
    "convolution", "reduction", "max_pooling", "separable_convolution", "skip_connection", "none", "filter_size",
    "controller_hidden_size", "controller_train_steps", "controller_temperature", "num_epochs", "w_lr", "batch_size",
    "suggestion_trial_dir", "architecture", "nn_config", "Validation-Accuracy", "[[0], [0, 1]]", "[" * 1_000,
]  # fmt: skip
_LONG = st.sampled_from(["x", "'", "$(id)", "\n", "é", "9", "["]).map(lambda text: text * (2**20 // len(text)))
_SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: st.one_of(st.sampled_from(_INTEGERS), st.integers(-(2**31), 2**31 - 1)),
    FieldDescriptor.CPPTYPE_DOUBLE: st.one_of(st.sampled_from([math.nan, math.inf]), st.floats()),
}


def values(field: FieldDescriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """One value for a field, or one element of a repeated one."""
    if field.message_type is not None:
        return messages(field.message_type, texts)
    if field.enum_type is not None:
        return _numbers(field.enum_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        few_long = st.integers(0, 30).flatmap(lambda number: _LONG if number == 30 else texts)
        return st.one_of(st.sampled_from(_WORDS), st.sampled_from(_NUMBERS), few_long)
    return _SCALARS[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Any, texts: st.SearchStrategy[str]) -> Message:
    """A message with any of its fields, and theirs, down to the last."""
    message: Message = descriptor._concrete_class()
    for field in descriptor.fields:
        if draw(st.integers(0, 3)):
            _set(draw, message, field, texts)
    return message


@st.composite
def changed(draw: st.DrawFn, valid: Message, texts: st.SearchStrategy[str]) -> Message:
    """A copy with one or two places cleared, set otherwise, or written twice."""
    message = type(valid)()
    message.CopyFrom(valid)
    for _ in range(draw(st.integers(1, 2))):
        holder, field = draw(st.sampled_from(list(_places(message))))
        change = draw(st.sampled_from(["set", "set", "set", "out", "twice"]))
        if change == "out":
            holder.ClearField(field.name)
        elif change == "twice" and _is_list(field):
            getattr(holder, field.name).extend(list(getattr(holder, field.name)))
        elif _is_list(field) and field.message_type is None and draw(st.booleans()):
            getattr(holder, field.name).append(draw(values(field, texts)))
        else:
            _set(draw, holder, field, texts)
    return message


def _set(draw: st.DrawFn, message: Message, field: FieldDescriptor, texts: st.SearchStrategy[str]) -> None:
    message.ClearField(field.name)
    if _is_map(field):
        getattr(message, field.name).update(draw(st.dictionaries(texts, texts, max_size=2)))
    elif _is_list(field):
        getattr(message, field.name).extend(draw(st.lists(values(field, texts), max_size=3)))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(draw(values(field, texts)))
    else:
        setattr(message, field.name, draw(values(field, texts)))


def _places(message: Message) -> list[tuple[Message, FieldDescriptor]]:
    """Every field of a message, set or not, and of the messages in it that are set."""
    found = []
    for field in message.DESCRIPTOR.fields:
        found.append((message, field))
        if field.message_type is not None and not _is_map(field):
            value = getattr(message, field.name)
            inner = value if _is_list(field) else [value] if message.HasField(field.name) else []
            found += [place for one in inner for place in _places(one)]
    return found


def _numbers(enum: EnumDescriptor) -> st.SearchStrategy[int]:
    return st.sampled_from([*enum.values_by_number, 99, -1, 2**31 - 1])


def _is_list(field: FieldDescriptor) -> bool:
    return field.is_repeated and not _is_map(field)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
