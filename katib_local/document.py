"""YAML text to a plain document, checked name by name against the models of the Kubernetes resources.

The models of ``kubeflow-katib-api`` check types but let unknown fields pass, so a typing mistake would silently become
a default. Katib's own webhook refuses unknown fields; so does `check_fields`.
"""

import difflib
import math
import re
import sys
import typing
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from katib_local.checks import check_text
from katib_suggestion.errors import InvalidExperiment

Document: TypeAlias = dict[str, Any]

MAX_BYTES = 1_000_000
"""Kubernetes keeps no resource larger than about that."""

_MAX_DEPTH = 50
_MAX_NODES = 100_000

M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no key twice, and a date stays text."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except InvalidExperiment:
            raise
        except (ValueError, KeyError, IndexError) as error:
            # PyYAML lets through what int, float and its table of truths say to a text that an explicit tag names so.
            where = f"line {node.start_mark.line + 1}"
            raise InvalidExperiment(where, node.value, f"it cannot be read as {node.tag}") from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            where = f"line {key_node.start_mark.line + 1}"
            if not isinstance(key, str):
                written = key_node.value if isinstance(key_node, yaml.ScalarNode) else f"a {key_node.id}"
                raise InvalidExperiment(where, written, "a key must be a text; put it in quotes")
            if key in seen:
                raise InvalidExperiment(where, key, "the key stands twice in one mapping")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag != "tag:yaml.org,2002:timestamp"
}


def read(text: str) -> Document:
    """Read one YAML document that is a mapping of JSON values.

    Raises:
        InvalidExperiment: the text is no YAML, holds several documents, a key twice, or what JSON cannot say.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidExperiment("manifest", f"{len(text)} characters", f"at most {MAX_BYTES} bytes")
    try:
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.YAMLError as error:
        raise InvalidExperiment("manifest", _one_line(error), "it must be YAML") from error
    except RecursionError as error:
        raise InvalidExperiment("manifest", "deeply nested YAML", f"at most {_MAX_DEPTH} levels") from error
    if len(documents) != 1:
        raise InvalidExperiment("manifest", f"{len(documents)} YAML documents", "there must be one Experiment")
    # First of all: what is not plain may be too large to be shown.
    _check_plain(documents[0])
    if not isinstance(documents[0], dict):
        raise InvalidExperiment("manifest", documents[0], "it must be an Experiment, a mapping")
    document: Document = documents[0]
    return document


def check_fields(model: type[BaseModel], document: Mapping[str, object], path: str = "") -> None:
    """Refuse keys that a model, or a model inside it, does not have.

    Raises:
        InvalidExperiment: naming the key, where it stands, and the closest that exists.
    """
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for key, value in document.items():
        where = f"{path}.{key}" if path else key
        if key not in fields:
            closest = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {closest[0]}? " if closest else ""
            raise InvalidExperiment(path or "manifest", key, f"unknown field; {hint}known are {', '.join(fields)}")
        for inner in _models(fields[key]):
            _check_inside(inner, value, where)


def parse(model: type[M], document: Mapping[str, object], path: str = "") -> M:
    """Check a document's types against a model and return it as one.

    Raises:
        InvalidExperiment: a field has a value of another type.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # A union reports once for each of its types, and the name of the type is no part of the path.
        first = error.errors(include_url=False)[0]
        location = [item for item in first["loc"] if item not in ("float", "int")]
        where = "".join(f"[{item}]" if isinstance(item, int) else f".{item}" for item in location)
        field = f"{path}{where}".lstrip(".")
        raise InvalidExperiment(field, first["input"], _expected(first["type"], first["msg"])) from error


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in a field's annotation, through Optional, List and Dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        # Unions such as IntOrString are wrapped in a model that has no fields of its own.
        if "actual_instance" not in annotation.model_fields:
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _check_inside(model: type[BaseModel], value: object, where: str) -> None:
    if isinstance(value, dict):
        check_fields(model, value, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_inside(model, item, f"{where}[{index}]")


def _expected(kind: str, message: str) -> str:
    return {
        "string_type": "it must be a text; put a number in quotes",
        "int_type": "it must be an integer",
        "float_type": "it must be a number",
        "bool_type": "it must be true or false",
        "list_type": "it must be a list",
        "dict_type": "it must be a mapping",
        "model_type": "it must be a mapping",
        "model_attributes_type": "it must be a mapping",
    }.get(kind, message)


def _check_plain(document: object) -> None:
    """Refuse what JSON cannot say, and what aliases blow up."""
    nodes = 0
    stack: list[tuple[str, object, int]] = [("", document, 0)]
    while stack:
        path, value, depth = stack.pop()
        nodes += 1
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            allowed = f"at most {_MAX_NODES} values, {_MAX_DEPTH} levels deep"
            raise InvalidExperiment("manifest", "a document that large", allowed)
        if isinstance(value, dict):
            for key in value:
                check_text(key, path or "manifest")
            stack.extend((f"{path}.{key}".lstrip("."), item, depth + 1) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((f"{path}[{index}]", item, depth + 1) for index, item in enumerate(value))
        elif isinstance(value, str):
            check_text(value, path or "manifest")
        else:
            _check_scalar(value, path or "manifest")


def _check_scalar(value: object, field: str) -> None:
    if not isinstance(value, int | float | None):
        allowed = "it must be a text, a number, true, false, a list or a mapping"
        raise InvalidExperiment(field, f"a {type(value).__name__}", allowed)
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        # In hexadecimal, since Python refuses to write that many decimal digits.
        raise InvalidExperiment(field, hex(value), f"an integer of at most {sys.float_info.max:.3g}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidExperiment(field, value, "it must be a finite number")


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
