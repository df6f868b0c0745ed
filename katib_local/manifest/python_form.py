"""Experiments that were made in Python, or read from a cluster there, become the document that a manifest would hold.

Three SDKs write them down in as many ways: models of pydantic (``kubeflow_katib_api``), the generated classes of
``kubeflow.katib`` and ``kubernetes.client``, and mappings that their ``to_dict`` made, whose keys are in snake case.
"""

import enum
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel

from katib_local.manifest import document
from katib_local.manifest.document import Document
from katib_local.manifest.resources import (
    IoK8sApiCoreV1PodTemplateSpec,
    IoK8sApimachineryPkgApisMetaV1ObjectMeta,
    V1beta1Experiment,
)
from katib_suggestion.errors import InvalidExperiment


def is_object(made: object) -> bool:
    """Tell whether something is a resource of one of the SDKs."""
    return isinstance(made, BaseModel) or hasattr(made, "attribute_map")


def read(made: object) -> Document:
    """Return the document of an Experiment, in Katib's spelling, without what a cluster alone writes.

    Args:
        made: a resource of one of the SDKs, or a mapping; either may hold others of both kinds.

    Raises:
        InvalidExperiment: it holds what JSON cannot say.
    """
    try:
        plain = _plain(made, "manifest")
    except RecursionError as error:
        raise InvalidExperiment("manifest", f"a {type(made).__name__}", "it must not hold itself") from error
    if not isinstance(plain, dict):
        raise InvalidExperiment("manifest", made, "it must be an Experiment, a mapping")
    found = _renamed(V1beta1Experiment, document.copy(plain))
    template = found.get("spec", {}).get("trialTemplate", {}) if isinstance(found.get("spec"), dict) else {}
    if isinstance(template, dict) and isinstance(template.get("trialSpec"), dict):
        template["trialSpec"] = _trial_spec(template["trialSpec"])
    found.pop("status", None)
    if isinstance(found.get("metadata"), dict):
        found["metadata"].pop("managedFields", None)
    return found


def _plain(value: object, place: str) -> Any:
    """Return what JSON can say of a value; what is None is left out, as the SDKs mean it."""
    if value is None or isinstance(value, str | bool | int | float):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, date):  # a datetime is one
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, enum.Enum):
        return _plain(value.value, place)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    fields = _fields(value)
    if fields is not None:
        return {key: _plain(item, f"{place}.{key}") for key, item in fields.items() if item is not None}
    if callable(getattr(value, "item", None)):  # a number of numpy's
        return value.item()  # type: ignore[attr-defined]
    raise InvalidExperiment(place, f"a {type(value).__name__}", "only what JSON can say")


def _fields(value: object) -> Mapping[Any, object] | None:
    """The fields of a resource by their names on the wire; None where a value is none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return {field.alias or name: getattr(value, name, None) for name, field in type(value).model_fields.items()}
    names = getattr(value, "attribute_map", None)
    return {alias: getattr(value, name, None) for name, alias in names.items()} if isinstance(names, dict) else None


def _renamed(model: type[BaseModel], fields: Mapping[str, Any]) -> Document:
    """Spell keys as the wire does where they are spelled as Python does; those of users' own mappings stay."""
    aliases = {name: field.alias or name for name, field in model.model_fields.items()}
    annotations = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    renamed: Document = {}
    for key, value in fields.items():
        alias = aliases.get(key, key)
        renamed[alias] = value
        for inner in document.models_in(annotations.get(alias)):
            if isinstance(value, dict):
                renamed[alias] = _renamed(inner, value)
            elif isinstance(value, list):
                renamed[alias] = [_renamed(inner, item) if isinstance(item, dict) else item for item in value]
    return renamed


def _trial_spec(resource: Mapping[str, Any]) -> Document:
    """The same for a trial's resource, of which the pod is known; what its controller writes is left out."""
    renamed = {_camel_case(key): value for key, value in resource.items() if key != "status"}
    if isinstance(renamed.get("metadata"), dict):
        renamed["metadata"] = _renamed(IoK8sApimachineryPkgApisMetaV1ObjectMeta, renamed["metadata"])
    if isinstance(renamed.get("spec"), dict):
        spec = {_camel_case(key): value for key, value in renamed["spec"].items()}
        if isinstance(spec.get("template"), dict):
            spec["template"] = _renamed(IoK8sApiCoreV1PodTemplateSpec, spec["template"])
        renamed["spec"] = spec
    return renamed


def _camel_case(key: str) -> str:
    return re.sub(r"(?<=[a-z])_([a-z0-9])", lambda match: match[1].upper(), key)
