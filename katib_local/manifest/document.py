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
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from katib_cluster import bounded_yaml
from katib_cluster.bounded_yaml import UnreadableYaml
from katib_local.manifest import objects
from katib_local.manifest.checks import check_text
from katib_suggestion.errors import Faults, InvalidExperiment, together

Document: TypeAlias = dict[str, Any]

M = TypeVar("M", bound=BaseModel)


def read(text: str) -> Document:
    """Read the one Experiment of a YAML text, or the one document, a mapping of JSON values.

    Raises:
        InvalidExperiment: the text is no YAML, holds several Experiments, a key twice, what JSON cannot say, or more
            than `bounded_yaml` allows.
    """
    found: list[object] = []
    try:
        with bounded_yaml.reading(text) as loader:
            while loader.check_data():  # type: ignore[no-untyped-call]
                found.append(loader.get_data())
    except UnreadableYaml as error:
        raise InvalidExperiment(error.where, error.value, error.allowed) from error
    except yaml.YAMLError as error:
        raise InvalidExperiment("manifest", _one_line(error), "it must be YAML") from error
    # First of all: a number may be too large to be shown.
    _check_plain(found[0] if len(found) == 1 else found)
    return objects.experiment_in(found)


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
            for inner in models_in(fields[key]):
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
        raise together([fault for _, fault in _wrong_types(error, path)]) from error


def parse_the_rest(model: type[M], document: Document) -> tuple[M, list[InvalidExperiment]]:
    """The same, but values of another type are left out, so that what else is wrong can be found.

    Returns:
        the model without them, and what was wrong with each.

    Raises:
        InvalidExperiment: nothing is left without them.
    """
    try:
        return model.model_validate(document), []
    except ValidationError as error:
        found = _wrong_types(error, "")
    rest = deepcopy(document)
    for location, _ in found:
        _leave_out(rest, location)
    faults = [fault for _, fault in found]
    try:
        return model.model_validate(rest), faults
    except ValidationError as error:
        raise together(faults) from error


def _wrong_types(error: ValidationError, path: str) -> list[tuple[list[int | str], InvalidExperiment]]:
    """Where in the document each value of another type stands, and what is wrong with it."""
    found: dict[str, tuple[list[int | str], InvalidExperiment]] = {}
    for item in error.errors(include_url=False):
        # A union reports once for each of its types, and the name of the type is no part of the path.
        location = [part for part in item["loc"] if part not in ("float", "int")]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
        field = f"{path}{where}".lstrip(".")
        fault = InvalidExperiment(field, item["input"], _expected(item["type"], item["msg"]))
        found.setdefault(field, (location, fault))
    return list(found.values())


def _leave_out(document: Document, location: Sequence[int | str]) -> None:
    """Take out a value or, where it is an item of a list, the list: the others keep their places."""
    place: Any = document
    holder, key = document, str(location[0])
    for part in location:
        if isinstance(part, str):
            holder, key = place, part
        elif key not in holder:
            return  # taken out already, with another of its items
        place = place.get(part) if isinstance(place, dict) else place[part]
    holder.pop(key, None)


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Return the models in a field's annotation, through Optional, List and Dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        # Unions such as IntOrString are wrapped in a model that has no fields of its own.
        if "actual_instance" not in annotation.model_fields:
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


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
