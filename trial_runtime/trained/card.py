"""A model card: what a trained network is, what it was trained on, how good it is, what it costs, and how to run it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from katib_suggestion.files import durable_files
from trial_runtime.trained import files
from trial_runtime.trained.graph import Graph
from trial_runtime.trained.latency import Latency

SEARCH_FILE = "search.json"
"""Beside a network's files: the search that it comes from, where `katib-nas train` knew one."""

_SHOWN_CLASSES = 20

_PICTURE = """\
picture = Image.open("picture.png").convert("{mode}").resize(({width}, {height}))
images = numpy.asarray(picture, numpy.uint8).reshape(1, {height}, {width}, {channels}).transpose(0, 3, 1, 2)
"""
"""A picture as a network takes it."""

_PICTURE_BY_ONNX = """\
import numpy
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{file}")
{picture}(logits,) = session.run(["logits"], {{"images": images}})
print(numpy.exp(logits) / numpy.exp(logits).sum())  # the probability of each class
"""

_PICTURE_BY_TORCH = """\
import numpy
import torch
from PIL import Image

network = torch.export.load("{file}").module()
{picture}logits = network(torch.from_numpy(images.copy()))
print(logits.softmax(dim=1))  # the probability of each class
"""

_ANY_BY_ONNX = """\
import numpy
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
{inputs}
print(session.run({outputs}, {{{given}}}))  # {outputs}
"""

_ANY_BY_TORCH = """\
import torch

network = torch.export.load("{file}").module()
{inputs}
print(network({given}))  # {outputs}
"""


def write(path: Path, folder: Path, graph: Graph, model: Path, latencies: list[Latency]) -> None:
    """Write the card of a network.

    Args:
        path: of the card.
        folder: of the network, with its record.
        graph: of the network.
        model: the exported file.
        latencies: what was measured here; none where nothing could run it.

    Raises:
        SavedNetworkError: there is no record.
        OSError: the machine refuses.
    """
    record = json.loads(files.read_text(folder))
    parts = (
        _what(record, folder, graph),
        _training(record),
        _quality(record),
        _costs(record, latencies),
        _use(graph, model),
        _search(folder),
    )
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    durable_files.write(path, text.encode())


def _what(record: Mapping[str, Any], folder: Path, graph: Graph) -> Iterator[str]:
    found = "architecture" if "architecture" in record else "genotype"
    kinds = {"macro_network": "layers with joins, found by ENAS", "language_model": "a recurrent cell"}
    kind = next((words for name, words in kinds.items() if name in record), "cells of a genotype")
    yield f"# {_search_of(folder).get('experiment') or folder.absolute().name}: a network of {kind}"
    yield ""
    yield f"- {found}: `{_line(record[found])}`"
    few, more = graph.examples(2), graph.examples(3)
    for name, *pair in zip(graph.inputs, few, more, strict=True):
        yield f"- input `{name}`: {_tensor(*pair)}, for any B"
    for name, *pair in zip(graph.outputs, graph.run(few), graph.run(more), strict=True):
        yield f"- output `{name}`: {_tensor(*pair)}"
    described = record.get("network") or record.get("macro_network") or {}
    if "normalisation" in described:
        scaling = described["normalisation"]
        yield (
            "- normalisation, inside the file: pixels are uint8, 0 to 255; divided by 255 they have mean "
            f"{_line(scaling['mean'])} and standard deviation {_line(scaling['std'])} in each channel"
        )
        names = described.get("class_names") or ()
        shown = ", ".join(names[:_SHOWN_CLASSES]) + (" …" if len(names) > _SHOWN_CLASSES else "")
        yield f"- classes: {f'{len(names)}, {shown}' if names else 'numbers alone, without names'}"


def _training(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## What it was trained on"
    yield ""
    yield f"- data set: `{record.get('dataset')}`{_numbers(record)}"
    settings = record.get("settings", {})
    yield f"- settings: {', '.join(f'{name} {_line(value)}' for name, value in settings.items())}"
    yield f"- precision {record.get('precision')}, seed {record.get('seed')}, on {record.get('device')}"
    versions = record.get("versions", {})
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}"


def _numbers(record: Mapping[str, Any]) -> str:
    numbers = record.get("num_images")
    if not isinstance(numbers, Mapping):
        return ""
    return f", {numbers['training']} images to learn from and {numbers['held_out']} held out"


def _quality(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## How good it is"
    yield ""
    numbers = record.get("num_images") or {}
    images = {"Test": numbers.get("test"), "Validation": numbers.get("held_out"), "Train": numbers.get("training")}
    for name, value in record.get("metrics", {}).items():
        count = images.get(name.partition("-")[0])
        yield f"- {name}: {value:.6g}" + (f", on {count} images" if count else "")
    yield ""
    yield (
        "Test figures are of data that nothing was chosen by; validation figures are of data held out of the training, "
        "by which settings may have been chosen; training figures are of what it has seen."
    )


def _costs(record: Mapping[str, Any], latencies: list[Latency]) -> Iterator[str]:
    yield "## What it costs"
    yield ""
    yield f"- parameters: {record.get('parameters'):,}"
    yield f"- multiply-adds of one example: {record.get('multiply_adds'):,}"
    if not latencies:
        yield "- latency: not measured, since onnx, onnxscript and onnxruntime are not installed where this was written"
    for latency in latencies:
        yield f"- latency of a batch of one, measured where this was written: {latency}"


def _use(graph: Graph, model: Path) -> Iterator[str]:
    yield "## How to run it"
    yield ""
    yield "```python"
    yield (_with_a_picture if [*graph.inputs] == ["images"] else _with_zeros)(graph, model).rstrip()
    yield "```"


def _with_a_picture(graph: Graph, model: Path) -> str:
    _, channels, height, width = graph.examples(1)[0].shape
    picture = _PICTURE.format(mode="L" if channels == 1 else "RGB", channels=channels, height=height, width=width)
    form = _PICTURE_BY_TORCH if _is_program(model) else _PICTURE_BY_ONNX
    return form.format(file=model.name, picture=picture)


def _with_zeros(graph: Graph, model: Path) -> str:
    examples = dict(zip(graph.inputs, graph.examples(1), strict=True))
    module, form = ("torch", _ANY_BY_TORCH) if _is_program(model) else ("numpy", _ANY_BY_ONNX)
    inputs = [
        f"{name} = {module}.zeros({tuple(one.shape)}, dtype={module}.{_type(one)})" for name, one in examples.items()
    ]
    given = examples if _is_program(model) else (f'"{name}": {name}' for name in examples)
    return form.format(
        file=model.name, inputs="\n".join(inputs), given=", ".join(given), outputs=json.dumps(graph.outputs)
    )


def _is_program(model: Path) -> bool:
    return model.suffix == ".pt2"


def _search(folder: Path) -> Iterator[str]:
    yield "## The search that it comes from"
    yield ""
    search = _search_of(folder)
    if not search:
        yield f"Not known: it was not trained by `katib-nas train`, or of no search. Written {_now()}."
        return
    yield f"- experiment {search.get('experiment')}, {search.get('source')}, started {search.get('started')}"
    yield f"- {search.get('algorithm')}, {search.get('num_trials')} trials, to {search.get('objective')}"
    metrics = ", ".join(f"{name} {value}" for name, value in search.get("metrics", {}).items())
    yield f"- trial {search.get('trial')}: {metrics}"
    seed = search.get("seed")
    yield f"- seed: {'none was given' if seed is None else seed}"
    versions = ", ".join(f"{name} {version}" for name, version in search.get("versions", {}).items())
    yield f"- versions: {versions or 'not known'}"
    yield f"- again: `{search.get('command')}`"
    yield f"- written {_now()}"
    yield ""
    yield "The manifest:"
    yield ""
    yield "```json"
    yield json.dumps(search.get("manifest"), indent=2, ensure_ascii=False)
    yield "```"


def _search_of(folder: Path) -> Mapping[str, Any]:
    """What is known of the search; empty where nothing is."""
    try:
        found = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _tensor(few: Tensor, more: Tensor) -> str:
    """Type and shape of what has one size where a batch is of two examples, and another where it is of three."""
    sides = (str(one) if one == other else "B" for one, other in zip(few.shape, more.shape, strict=True))
    return f"{_type(few)}, ({', '.join(sides)})"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _line(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
