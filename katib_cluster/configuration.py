"""Katib's configuration, with our suggestions registered in it.

A ``KatibConfig`` is one text, which Katib keeps in a ConfigMap: all algorithms of a cluster stand in it, written and
commented by others. So only the lines of our two entries are replaced.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from katib_cluster import entries, yaml_text
from katib_cluster.errors import InvalidConfiguration
from katib_suggestion.errors import shown

CONFIG_MAP = "katib-config"
KEY = "katib-config.yaml"
"""Where a ConfigMap holds the configuration."""

_SUGGESTIONS = ("runtime", "suggestions")
_WHERE = ".".join(_SUGGESTIONS)


def registered(text: str, images: Mapping[str, str]) -> str:
    """Register the suggestions in the text of a KatibConfig, or of the manifest of a ConfigMap that holds one.

    Args:
        text: YAML.
        images: of the services, by algorithm.

    Returns:
        the text with the entries of these algorithms changed, or added where there was none; the same text if they say
        already what they should.

    Raises:
        InvalidConfiguration: it is neither of the two, or written in a way that cannot be changed in part.
    """
    root = yaml_text.mapping_of(text, "configuration")
    kind = _plain(yaml_text.at(root, "kind"))
    if kind == "ConfigMap":
        return _in_config_map(text, root, images)
    return _in_katib_config(text, root, images)


def check_kind(text: str, name: str) -> None:
    """Refuse a text that is no KatibConfig.

    Raises:
        InvalidConfiguration: see above.
    """
    kind = _plain(yaml_text.at(yaml_text.mapping_of(text, name), "kind"))
    if kind != "KatibConfig":
        raise InvalidConfiguration(f"{name}: kind", f"{shown(kind)} is not allowed: it must be KatibConfig")


def _in_katib_config(text: str, root: yaml.MappingNode, images: Mapping[str, str]) -> str:
    kind = _plain(yaml_text.at(root, "kind"))
    if kind != "KatibConfig":
        allowed = "it must be KatibConfig (Katib 0.16 or later), or a ConfigMap with one"
        raise InvalidConfiguration("kind", f"{shown(kind)} is not allowed: {allowed}")
    items = yaml_text.at(root, *_SUGGESTIONS)
    if not isinstance(items, yaml.SequenceNode) or items.flow_style or not items.value:
        raise InvalidConfiguration(_WHERE, "it must be there, a list with a line or more for each algorithm")
    document = yaml_text.value_of(text)
    found = _by_algorithm(document["runtime"]["suggestions"])
    lines = text.splitlines(keepends=True)
    # From the last line to the first, so that the earlier ones keep their numbers.
    edits = sorted(_edits(items, found, images), reverse=True)
    if not edits:
        return text
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for start, end, replacement in edits:
        lines[start:end] = [replacement]
    changed = "".join(lines) if text.endswith("\n") else "".join(lines).removesuffix("\n")
    _check(document, changed, images)
    return changed


def _by_algorithm(suggestions: list[Any]) -> dict[str, tuple[int, entries.Entry]]:
    """Each algorithm's place in the list, and its entry."""
    found: dict[str, tuple[int, entries.Entry]] = {}
    for number, item in enumerate(suggestions):
        where = f"{_WHERE}[{number}].algorithmName"
        name = item.get("algorithmName") if isinstance(item, dict) else None
        if not isinstance(name, str):
            raise InvalidConfiguration(where, f"{shown(name)} is not allowed: it must be a text")
        if name in found:
            raise InvalidConfiguration(where, f"{shown(name)} stands twice in the list")
        found[name] = (number, item)
    return found


def _edits(
    items: yaml.SequenceNode, found: Mapping[str, tuple[int, entries.Entry]], images: Mapping[str, str]
) -> list[tuple[int, int, str]]:
    """Lines to replace, from a first up to the one before another, and what takes their place."""
    column = items.start_mark.column
    end_of_list = yaml_text.lines_of(items)[1]
    edits = []
    added = []
    for algorithm, image in images.items():
        ours = entries.entry(algorithm, image)
        if algorithm not in found:
            added.append(yaml_text.list_item(ours, column))
            continue
        number, existing = found[algorithm]
        changed = entries.merged(existing, ours)
        if changed != existing:
            edits.append((*yaml_text.lines_of(items.value[number]), yaml_text.list_item(changed, column)))
    if added:
        edits.append((end_of_list, end_of_list, "".join(added)))
    return edits


def _check(before: dict[str, Any], changed: str, images: Mapping[str, str]) -> None:
    """Make sure that the new text says what the old one did, but for the entries that were asked for."""
    shared = f"the entries of {' and '.join(images)} share text with others; write them out and try again"
    try:
        after = yaml_text.value_of(changed)
    except InvalidConfiguration as error:
        raise InvalidConfiguration(_WHERE, shared) from error
    if _others(before, images) != _others(after, images):
        raise InvalidConfiguration(_WHERE, shared)


def _others(document: dict[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    """A configuration without the entries of some algorithms."""
    runtime = document["runtime"]
    suggestions = [item for item in runtime["suggestions"] if item["algorithmName"] not in images]
    return {**document, "runtime": {**runtime, "suggestions": suggestions}}


def _in_config_map(text: str, root: yaml.MappingNode, images: Mapping[str, str]) -> str:
    node = yaml_text.at(root, "data", KEY)
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidConfiguration(f"data.{KEY}", "the ConfigMap must hold it: a KatibConfig, as of Katib 0.16")
    # Not a ConfigMap again, however often one is put into another.
    changed = _in_katib_config(node.value, yaml_text.mapping_of(node.value, f"data.{KEY}"), images)
    if changed == node.value:
        return text
    start, end = node.start_mark.index, node.end_mark.index
    if node.style == "|":
        body = text[start:end].splitlines(keepends=True)
        indent = next(len(line) - len(line.lstrip(" ")) for line in body[1:] if line.strip())
        # What the header says of the end of the text stays true: the end is as it was.
        written = [" " * indent + line if line.strip() else line for line in changed.splitlines(keepends=True)]
        tail = "\n" if body[-1].endswith("\n") and not changed.endswith("\n") else ""
        result = text[:start] + "".join([body[0], *written, tail]) + text[end:]
    else:
        result = text[:start] + json.dumps(changed, ensure_ascii=False) + text[end:]
    if yaml_text.value_of(result) != _with_data(yaml_text.value_of(text), changed):
        raise InvalidConfiguration(f"data.{KEY}", "it cannot be changed in place; give the KatibConfig itself")
    return result


def _with_data(document: dict[str, Any], text: str) -> dict[str, Any]:
    return {**document, "data": {**document["data"], KEY: text}}


def _plain(node: yaml.Node | None) -> str | None:
    return node.value if isinstance(node, yaml.ScalarNode) else None
