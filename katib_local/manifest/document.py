"""YAML text to a plain document, checked name by name against the models of the Kubernetes resources.

The models of ``kubeflow-katib-api`` check types but let unknown fields pass, so a typing mistake would silently become
a default. Katib's own webhook refuses unknown fields; so does `check_fields`.
"""

import difflib
import json
import math
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from katib_cluster import bounded_yaml
from katib_cluster.bounded_yaml import UnreadableYaml
from katib_local.manifest.checks import check_text
from katib_suggestion.errors import Faults, InvalidExperiment, together

Document: TypeAlias = dict[str, Any]

M = TypeVar("M", bound=BaseModel)


def read(text: str) -> Document:
    """Read one YAML document that is a mapping of JSON values.

    Raises:
        InvalidExperiment: the text is no YAML, holds several documents, a key twice, what JSON cannot say, or more than
            `bounded_yaml` allows.
    """
    found: list[object] = []
    try:
        with bounded_yaml.reading(text) as loader:
            while len(found) < 2 and loader.check_data():  # type: ignore[no-untyped-call]
                found += [document for document in [loader.get_data()] if document is not None]
    except UnreadableYaml as error:
        raise InvalidExperiment(error.where, error.value, error.allowed) from error
    except yaml.YAMLError as error:
        raise InvalidExperiment("manifest", _one_line(error), "it must be YAML") from error
    if len(found) != 1:
        given = "several YAML documents" if found else "no YAML document"
        raise InvalidExperiment("manifest", given, "there must be one Experiment")
    # First of all: a number may be too large to be shown.
    _check_plain(found[0])
    if not isinstance(found[0], dict):
        raise InvalidExperiment("manifest", found[0], "it must be an Experiment, a mapping")
    document: Document = found[0]
    return document


def copy(made: Mapping[str, object]) -> Document:
    """Return a document that was made in Python as it would be read.

    Raises:
        InvalidExperiment: it holds what JSON cannot say.
    """
    try:
        copied: Document = json.loads(json.dumps(made))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidExperiment("manifest", f"a {type(made).__name__}", f"only what JSON can say: {error}") from error
    _check_plain(copied)
    return copied


def check_fields(model: type[BaseModel], document: Mapping[str, object], path: str = "") -> None:
    """Refuse keys that a model, or a model inside it, does not have.

    Raises:
        InvalidExperiment: naming the key, where it stands, and the closest that exists.
    """
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    faults = Faults()
    for key, value in document.items():
        where = f"{path}.{key}" if path else key
        with faults.noted():
            if key not in fields:
                closest = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {closest[0]}? " if closest else ""
                raise InvalidExperiment(path or "manifest", key, f"unknown field; {hint}known are {', '.join(fields)}")
            for inner in _models(fields[key]):
                _check_inside(inner, value, where)
    faults.raise_noted()


def parse(model: type[M], document: Mapping[str, object], path: str = "") -> M:
    """Check a document's types against a model and return it as one.

    Raises:
        InvalidExperiment: a field has a value of another type.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found: dict[str, InvalidExperiment] = {}
        for item in error.errors(include_url=False):
            # A union reports once for each of its types, and the name of the type is no part of the path.
            location = [part for part in item["loc"] if part not in ("float", "int")]
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
            field = f"{path}{where}".lstrip(".")
            found.setdefault(field, InvalidExperiment(field, item["input"], _expected(item["type"], item["msg"])))
        raise together(list(found.values())) from error


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
        faults = Faults()
        for index, item in enumerate(value):
            with faults.noted():
                _check_inside(model, item, f"{where}[{index}]")
        faults.raise_noted()


def _expected(kind: str, message: str) -> str:
    return {
        "string_type": "it must be a text; put a number in quotes, and so y, n, yes, no, on and off",
        "int_type": "it must be an integer",
        "float_type": "it must be a number",
        "bool_type": "it must be true or false",
        "list_type": "it must be a list",
        "dict_type": "it must be a mapping",
        "model_type": "it must be a mapping",
        "model_attributes_type": "it must be a mapping",
    }.get(kind, message)


def _check_plain(document: object) -> None:
    """Refuse texts and numbers that cannot be passed on."""
    stack: list[tuple[str, object]] = [("", document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            for key in value:
                check_text(key, path or "manifest")
            stack.extend((f"{path}.{key}".lstrip("."), item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((f"{path}[{index}]", item) for index, item in enumerate(value))
        elif isinstance(value, str):
            check_text(value, path or "manifest")
        elif isinstance(value, int) and abs(value) > sys.float_info.max:
            # In hexadecimal, since Python refuses to write that many decimal digits.
            raise InvalidExperiment(path or "manifest", hex(value), f"an integer of at most {sys.float_info.max:.3g}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidExperiment(path or "manifest", value, "it must be a finite number")


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
