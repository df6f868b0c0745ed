"""The entry of our pages in the menu of Kubeflow's dashboard.

The menu is one text of JSON in a ConfigMap, written by others; so only our entry is changed, where it stands.
"""

import json
from typing import Any

import yaml

from katib_cluster import yaml_text
from katib_cluster.errors import InvalidConfiguration
from katib_suggestion.errors import shown

CONFIG_MAPS = ("dashboard-config", "centraldashboard-config")
"""That of Kubeflow's Dashboard 2.0, which is the one in use where there are both, and the one before it."""

KEY = "links"
MENU = "menuLinks"

ENTRY = {"type": "item", "link": "/katib-nas/", "text": "Architecture Searches", "icon": "timeline"}
"""The link is the prefix that the VirtualService of manifests/dashboard has."""

_BEFORE = "/katib/"
"""After Katib's own entry, where there is one."""


def with_entry(text: str) -> str:
    """Return the links with our entry among those of the menu.

    Args:
        text: the links, as JSON.

    Returns:
        the text with our entry changed, or put in where there was none; every other letter is as it was.

    Raises:
        InvalidConfiguration: it is not what the dashboard reads, or written in a way that cannot be changed in part.
    """
    before = links_of(text, KEY)
    menu = yaml_text.at(yaml_text.mapping_of(text, KEY), MENU)
    if not isinstance(menu, yaml.SequenceNode) or len(menu.value) != len(before[MENU]):
        raise InvalidConfiguration(f"{KEY}.{MENU}", "it cannot be changed in part; write it as plain JSON")
    links = [item.get("link") if isinstance(item, dict) else None for item in before[MENU]]
    ours = [node for node, link in zip(menu.value, links, strict=True) if link == ENTRY["link"]]
    if len(ours) > 1:
        raise InvalidConfiguration(f"{KEY}.{MENU}", f"{shown(ENTRY['link'])} stands there twice")
    if ours and before[MENU][links.index(ENTRY["link"])] == ENTRY:
        return text
    if ours:
        changed = _replaced(text, ours[0])
    else:
        place = links.index(_BEFORE) if _BEFORE in links else len(links) - 1
        changed = _put_in(text, menu, place)
    _check(before, changed)
    return changed


def links_of(text: str, name: str) -> dict[str, Any]:
    """Read the links of a dashboard.

    Raises:
        InvalidConfiguration: they have no menu.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidConfiguration(name, f"it is no JSON: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get(MENU), list):
        raise InvalidConfiguration(f"{name}.{MENU}", "it must be there, a list")
    return found


def _replaced(text: str, node: yaml.Node) -> str:
    return text[: node.start_mark.index] + _written(text, node) + text[node.end_mark.index :]


def _put_in(text: str, menu: yaml.SequenceNode, place: int) -> str:
    """Write the entry behind one of the others, in lines as these are."""
    if place < 0:
        start = menu.start_mark.index + 1
        return text[:start] + json.dumps(ENTRY) + text[start:]
    node = menu.value[place]
    line = text[: node.start_mark.index].rpartition("\n")[2]
    between = f",\n{line}" if "\n" in text and not line.strip() else ", "
    end = node.end_mark.index
    return text[:end] + between + _written(text, node) + text[end:]


def _written(text: str, like: yaml.Node) -> str:
    """The entry in one line, or in several where another one has several."""
    source = text[like.start_mark.index : like.end_mark.index]
    if "\n" not in source:
        return json.dumps(ENTRY)
    line = text[: like.start_mark.index].rpartition("\n")[2]
    outer = line[: len(line) - len(line.lstrip())]
    second = source.splitlines()[1]
    step = len(second) - len(second.lstrip()) - len(outer)
    return json.dumps(ENTRY, indent=max(step, 1)).replace("\n", f"\n{outer}")


def _check(before: dict[str, Any], changed: str) -> None:
    """An invariant of ours: nothing has changed but our entry."""
    after = links_of(changed, KEY)
    assert ENTRY in after[MENU], changed
    others = [[item for item in found[MENU] if not _is_ours(item)] for found in (before, after)]
    assert others[0] == others[1], changed
    assert {**before, MENU: []} == {**after, MENU: []}, changed


def _is_ours(item: Any) -> bool:
    return isinstance(item, dict) and item.get("link") == ENTRY["link"]
