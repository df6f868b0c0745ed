"""Trials that call a Python function, each in a process of its own: for notebooks, where there is no image.

The processes are new ones, so the function goes there by its name or, where it has none that they know, as its source,
by the rule of Katib's own SDK: it has to import within itself what it needs.
"""

import builtins
import dis
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from katib_local.errors import UsageError
from katib_local.manifest.document import Document
from katib_local.objective.values import NETWORK
from trial_runtime.data_dir import default_data_dir

IMAGE = "katib-nas/python-callable"
PROGRAM = Path(__file__).parent
"""The folder that takes the image's place."""

Objective = Callable[[Mapping[str, Any]], Any]

_NETWORKS = {
    "enas": ("architecture", "nn_config"),
    "darts": ("algorithm-settings", "search-space", "num-layers"),
}
"""What the services assign to a trial of an architecture search."""


def document_of(given: Document) -> Document:
    """Return an Experiment whose trials call a function; a trial template of its own is left out."""
    names = list(_types(given))
    arguments = [f'"{name}=${{trialParameters.p{index}}}"' for index, name in enumerate(names)]
    container = {"name": "objective", "image": IMAGE, "command": ["python3", "call.py", *arguments]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    template = {
        "primaryContainerName": "objective",
        "trialParameters": [{"name": f"p{index}", "reference": name} for index, name in enumerate(names)],
        "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}},
    }
    return {**given, "spec": {**_mapping(given, "spec"), "trialTemplate": template}}


def write(objective: Objective, given: Document) -> Path:
    """Keep a function for the trials' processes; return the file that says which it is.

    Raises:
        UsageError: no other process can call it.
    """
    asked: dict[str, Any] = {
        "path": [str(Path(entry).absolute()) for entry in sys.path],
        "types": _types(given),
        "metric": _mapping(_mapping(given, "spec"), "objective").get("objectiveMetricName"),
        **_named(objective),
    }
    if asked["module"] is None:
        asked["source"] = str(_keep(_source(objective), ".py"))
    return _keep(json.dumps(asked), ".json")


def _keep(text: str, suffix: str) -> Path:
    folder = default_data_dir() / "objectives"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}{suffix}"
    path.write_text(text, encoding="utf-8")
    return path


def _named(objective: Objective) -> dict[str, Any]:
    """The function's name, and its module where another process can import it."""
    if not isinstance(objective, FunctionType) or objective.__name__ == "<lambda>":
        raise _refused(objective, "a function that is defined by def")
    is_importable = objective.__module__ != "__main__" and objective.__qualname__ == objective.__name__
    return {"name": objective.__name__, "module": objective.__module__ if is_importable else None}


def _source(objective: Objective) -> str:
    assert isinstance(objective, FunctionType)
    missing = sorted({*objective.__code__.co_freevars, *_globals(objective.__code__)} - {*dir(builtins)})
    if missing:
        what = ", ".join(missing)
        raise _refused(objective, f"{what} is not known in the trials' processes: import or define it in the function")
    try:
        source = textwrap.dedent(inspect.getsource(objective))
    except OSError as error:
        raise _refused(objective, f"its source must be known ({error})") from error
    # What its arguments are said to be is not imported, either.
    return f"from __future__ import annotations\n\n{source}"


def _globals(code: CodeType) -> Iterator[str]:
    """The names that code, and the functions within it, look up outside."""
    yield from (item.argval for item in dis.get_instructions(code) if item.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals(inner)


def _refused(objective: object, allowed: str) -> UsageError:
    name = getattr(objective, "__name__", type(objective).__name__)
    return UsageError(f"objective: {name!r} is not allowed: {allowed}")


def _types(given: Document) -> dict[str, str]:
    """The types of what a trial is assigned, by their names; what is wrong with them, the manifest's reader says."""
    spec = _mapping(given, "spec")
    parameters = spec.get("parameters")
    if isinstance(parameters, list) and parameters:
        return {str(item.get("name")): str(item.get("parameterType")) for item in parameters if isinstance(item, dict)}
    algorithm = _mapping(spec, "algorithm").get("algorithmName")
    return dict.fromkeys(_NETWORKS.get(str(algorithm), _NETWORKS["enas"]), NETWORK)


def _mapping(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return dict(found) if isinstance(found, Mapping) else {}
